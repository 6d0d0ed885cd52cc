"""Of samples that are the same, or nearly, the best stays.

Source: Gadre et al. 2023, arXiv:2304.14108, section 3.2, and Lee et al. 2022, arXiv:2107.06499 (why: what stands there often is learnt by
heart). How near ones are found among a million: components/validation/near.py, components/data/minhash.py and
components/curation/embedded_alike.py. Differs: likeness is no
chain. A sample goes only where one that it is like itself stays, and not because both are like a third that goes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int64

from components.contracts.curation import CurationOp, Report
from components.contracts.errors import ConfigError, DataError
from components.contracts.features import Features
from components.curation.embedded_alike import embedded_alike
from components.curation.leaving_out import by_key, leave_out
from components.curation.memory import Memory
from components.curation.ops.keep import flat
from components.curation.ops.select import column_of
from components.data.equal import again, again_by, hashed, pieces, taken
from components.data.minhash import MinHash
from components.validation.near import Nearness, Prints

REASONS: Mapping[str, str] = {
    "bytes": "same_bytes", "pixels": "same_pixels", "looks": "looks_alike", "captions": "said_alike",
    "embeddings": "embedded_alike", "values": "same_value",
}  # fmt: skip
LEAST_MB = 32
Places = Int64[np.ndarray, " _"]


class Deduplicate(CurationOp):
    """Leaves one of each lot of samples that are alike, in one way after the other.

    Args:
        by: ways of being alike, in the order in which they are asked: `bytes` of the file, `pixels`, `looks` (nearly the same picture),
            `captions` (nearly the same words, whatever the picture), `embeddings` (nearly the same picture to a model), `values` (the same in `column`).
        best: column of which the highest value stays, such as `size_bytes` or one of Measure's; what is equally good goes by its key.
        bits: of the 64 of the perceptual hash that may differ.
        colour: most that the mean of a channel, 0 to 1, may differ.
        alike: share, above 0 and up to 1, of their shingles that two captions have in common at least. It is estimated from 48 values, within 0.1 as a
            rule, so 0.7 finds nearly all in which one word of ten is another.
        model: its name in `curation.models`, for `embeddings`.
        cosine: of two embeddings that are alike, at least; which is right depends on the model, so look at the report's examples.
        column: of which equal values are alike, for `values`; who has none is like nobody.
        memory_mb: megabytes, 32 or more, that looking may take beside the rows, what is found of them, and 120 bytes of each row; signatures of captions
            go to a temporary file where they would take more. It does not hold for `embeddings`, which are held whole and once more.
    """

    def __init__(
        self,
        by: Sequence[str] = ("bytes", "pixels", "looks"),
        best: str = "size_bytes",
        bits: int = 4,
        colour: float = 0.05,
        alike: float = 0.7,
        model: str = "",
        cosine: float = 0.95,
        column: str = "",
        memory_mb: int = 1024,
    ) -> None:
        for way in by:
            if way not in REASONS:
                raise ConfigError(f"by has {way!r}, which is no way of being alike. There are {', '.join(REASONS)}.")
        if not by:
            raise ConfigError(f"by is empty, so nothing would be alike. Name one or more of {', '.join(REASONS)}.")
        if not 0 <= bits <= 16:
            raise ConfigError(f"bits is {bits} of 64; beyond 16 most pictures look alike. Give 0 to 16, 4 is usual.")
        if not 0 < alike <= 1:
            raise ConfigError(
                f"alike is {alike}, but it is a share of shingles. Give a number above 0 and up to 1; 0.7 is usual."
            )
        if not 0 < cosine <= 1:
            raise ConfigError(f"cosine is {cosine}. Give a number above 0 and up to 1; 0.95 is a start.")
        if memory_mb < LEAST_MB:
            raise ConfigError(
                f"memory_mb is {memory_mb}, which is too little to look at a piece of the rows. Give {LEAST_MB} or more; 1024 is usual."
            )
        for way, name, given in (("embeddings", "model", model), ("values", "column", column)):
            if (way in by) != bool(given):
                raise ConfigError(
                    f"{name} is {given!r}, and goes with {way!r} in by, which is {list(by)}. Give both, or neither."
                )
        self.by, self.best, self.bits, self.colour, self.alike = tuple(by), best, bits, colour, alike
        self.model, self.cosine, self.column, self.memory_mb = model, cosine, column, memory_mb

    @property
    def features(self) -> tuple[str, ...]:
        """Return what pictures look like, and what a model says of them, where that is asked."""
        asked = {"looks": "prints", "embeddings": f"{self.model}.image"}
        return tuple(feature for way, feature in asked.items() if way in self.by)

    def apply(self, table: pa.Table, features: Features, seed: int) -> tuple[pa.Table, Report]:
        """Return the rows that stay, in their order, and how many went for each way of being alike."""
        return leave_out(self, table, self.alike_ones(table, features))

    def alike_ones(self, table: pa.Table, features: Features) -> Mapping[str, Int64[np.ndarray, " _"]]:
        """Return the places of the rows that go, for each way of being alike; errors as of `apply`."""
        memory = Memory(bound=self.memory_mb * 10**6)
        ways: Mapping[str, Callable[[Places], Places]] = {
            "bytes": lambda left: _again(table["sha256"], left, memory),
            "pixels": lambda left: _again(table["pixel_sha256"], left, memory),
            "looks": lambda left: looks_alike(
                self._prints(table, features).of(left), Nearness(bits=self.bits, colour=self.colour, at_once=memory.prints)
            ),
            "captions": lambda left: said_alike(table["texts"], left, self.alike, memory),
            "embeddings": lambda left: embedded_alike(
                features.unit(f"{self.model}.image", table["key"].combine_chunks().take(pa.array(left))), self.cosine
            ),
            "values": lambda left: _again(column_of(table, self.column, "column"), left, memory),
        }  # fmt: skip
        left = self._ranked(table)
        reasons: dict[str, Places] = {}
        for way in self.by:
            goes = ways[way](left)
            reasons[REASONS[way]] = left[goes]
            left = np.delete(left, goes)
        return reasons

    def _ranked(self, table: pa.Table) -> Int64[np.ndarray, " N"]:
        """Return the places of the rows, the best first; a row without a value is the worst."""
        column = column_of(table, self.best, "best")
        if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
            numbers = [
                name
                for name, held in flat(table).items()
                if pa.types.is_integer(held.type) or pa.types.is_floating(held.type)
            ]
            raise ConfigError(f"best is {self.best!r}, which holds no numbers. Name one of {', '.join(numbers)}.")
        order = by_key(table)
        values = np.asarray(pc.fill_null(pc.cast(column, pa.float64()), -np.inf))
        return order[np.argsort(-np.nan_to_num(values[order], nan=-np.inf), kind="stable")]

    def _prints(self, rows: pa.Table, features: Features) -> Prints:
        seen = features.of("prints", rows["key"].combine_chunks())
        if missing := seen["perceptual"].null_count:
            raise DataError(
                f"{missing:,} of {len(rows):,} pictures cannot be decoded, so nobody can say what they look like. Validation sets such aside; "
                "run it again."
            )
        colours = seen["colour"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, 3)
        return Prints(hashes=np.asarray(seen["perceptual"], np.uint64), colours=colours)


def _again(values: pa.ChunkedArray, left: Places, memory: Memory) -> Places:
    return again(values, left, memory.values(values))


def looks_alike(prints: Prints, near: Nearness) -> Int64[np.ndarray, " _"]:
    """Return the places of prints that look like an earlier one which stays."""
    goes = np.zeros(len(prints), bool)
    left = np.arange(len(prints))
    while len(left):
        held = prints.of(left)
        first = near.nearest(held, held, itself=True, earlier=True)[0] < 0  # like nobody before them, so they stay
        stay, rest = left[first], left[~first]
        like_one = near.nearest(prints.of(rest), prints.of(stay))[0] >= 0
        goes[rest[like_one]] = True
        left = rest[~like_one]
    return np.flatnonzero(goes)


def said_alike(
    texts: pa.ChunkedArray, ranked: Int64[np.ndarray, " N"], alike: float, memory: Memory | None = None
) -> Int64[np.ndarray, " _"]:
    """Return which of `ranked`, by their places in it, are said nearly the same of as one before them that stays.

    Args:
        texts: of each row a list of structs with `text`; who has none is like nobody.
        ranked: rows, some or all, the best first.
        alike: share of their shingles that two have in common at least.
        memory: None for as much as there is.
    """
    memory = memory or Memory()
    at_once = memory.values(texts)
    hashes, known = np.empty(len(texts), np.uint64), np.empty(len(texts), bool)
    for start, piece in pieces(texts, at_once):
        said, here = joined(piece), slice(start, start + len(piece))
        hashes[here] = hashed(said)
        known[here] = np.asarray(pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(said)), 0))
    has = np.flatnonzero(known[ranked])
    copies = again_by(hashes[ranked[has]], lambda some: joined(taken(texts, ranked[has[some]])), at_once)
    different = np.delete(has, copies)
    del hashes, known
    minhash = MinHash()
    size = minhash.bands * minhash.values
    signatures = memory.signatures(len(different), size)
    for start in range(0, len(different), at_once):
        signatures.add(minhash.signatures(joined(taken(texts, ranked[different[start : start + at_once]]))))
    pairs, _ = minhash.pairs(signatures, alike, memory.pairs(size))
    return np.sort(np.concatenate([has[copies], different[losers(pairs)]]))


def joined(listed: pa.Array) -> pa.Array:
    """Return all texts of each row as one, in small letters."""
    texts = pc.list_flatten(listed)
    said = pc.utf8_lower(pc.fill_null(pc.struct_field(texts, "text"), ""))
    bounds = np.concatenate([[0], np.cumsum(np.asarray(pc.fill_null(pc.list_value_length(listed), 0), np.int64))])
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), said), " ")


def losers(pairs: Int64[np.ndarray, "P 2"]) -> Int64[np.ndarray, " _"]:
    """Return those that are paired with an earlier one which does not lose itself; in a pair, the earlier stands first."""
    lost = set[int]()
    for better, worse in _in_order(pairs):
        if better not in lost:
            lost.add(worse)
    return np.array(sorted(lost), np.int64)


def _in_order(pairs: Int64[np.ndarray, "P 2"]) -> Iterator[tuple[int, int]]:
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return zip(*pairs[order].T.tolist(), strict=True) if len(pairs) else iter(())
