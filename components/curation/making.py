"""Features, made when a step asks for them and kept for the next time: what decoding a picture gives, and what a model says.

A file of features is called by the digest of the model and of all that it was shown, so that it fits or is not found. What a step finds of
rows by asking somebody else is kept in the same way.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts.curation import RowOp
from components.contracts.embedder import Embedder
from components.contracts.errors import ConfigError, DataError
from components.contracts.features import Feature
from components.contracts.progress import Progress
from components.curation.embed import picture_work, text_work
from components.curation.pieces import Engine, Work
from components.data.aside import RowFile
from components.data.pieces import AT_ONCE
from components.data.shards import open_pictures
from components.validation.measure_shards import measure_shards

PRINTS = "prints"
_MEASURES = "components.validation.measure 1"  # what makes prints; the number goes up with what they mean
_PLACE = ("shard", "offset", "size_bytes", "sha256")  # of a picture
_SEEN = ("perceptual", "colour", "contrast", "animated", "says_where")


class Making:
    """Makes features of samples whose pictures lie in shards.

    Args:
        raw: where the shards are.
        models: name -> what opens the model, which happens once for a worker and only where it is asked.
        cache: folder that keeps what was made.
        engine: has the work done.
    """

    def __init__(self, raw: Path, models: Mapping[str, Callable[[], Embedder]], cache: Path, engine: Engine) -> None:
        self.raw, self.cache, self.engine = raw, cache, engine
        self.models = {name: Once(opens) for name, opens in models.items()}

    def make(self, name: str, rows: pa.Table, texts: pa.Array) -> Feature:
        """Return features of rows or texts, as of Maker; ConfigError, with what there is, for a name that it does not know."""
        if name == PRINTS:
            return self._feature(
                name, _MEASURES, rows, partial(_print_work, self.raw, self.engine.processes, self.engine.within), None
            )
        model, _, side = name.rpartition(".")
        if model not in self.models or side not in ("image", "text"):
            named = ", ".join(self.models) or "none"
            raise ConfigError(
                f"a step of curation asks for the features {name!r}, and curation.models names {named}. Add the model there, as its "
                "name and a package's folder, or a version such as clip@3."
            )
        opens = self.models[model]
        if side == "text":
            shown, work = pa.table({"key": texts, "sha256": pa.repeat("", len(texts))}), partial(text_work, opens)
        else:
            shown, work = rows, partial(picture_work, opens, raw=self.raw)
        called = opens().name
        return self._feature(name, called, shown, partial(work, name=called), AT_ONCE)

    def find(self, op: RowOp, rows: pa.Table, seed: int) -> pa.Table:
        """Return what a step finds of rows, as of Maker; what took long is kept."""
        needed = [*op.needs, *(_PLACE if op.sees else ())]
        rows = rows.select(list(dict.fromkeys(["key", *needed])))

        def found(piece_rows: int | None) -> pa.Table:
            begin = partial(_find_work, op, seed, self.raw)
            return self.engine.run(begin, rows, AT_ONCE if op.sees else piece_rows, f"curate: {op.name}")

        if not (called := op.kept_as):
            return found(None)
        said = (json.dumps(row, ensure_ascii=False, sort_keys=True) for row in rows.drop_columns("key").to_pylist())
        shown = zip(rows["key"].to_pylist(), said, strict=True)
        return self._kept(digest_of(f"{called}, seed {seed}", shown), lambda: found(AT_ONCE))

    def _feature(
        self, name: str, model: str, shown: pa.Table, begin: Callable[[], Work], piece_rows: int | None
    ) -> Feature:
        def made() -> pa.Table:
            return self.engine.run(begin, shown, piece_rows, f"{name} by {model}", together=piece_rows is not None)

        digest = digest_of(model, zip(shown["key"].to_pylist(), shown["sha256"].to_pylist(), strict=True))
        return Feature(name=name, model=model, table=self._kept(digest, made))

    def _kept(self, digest: str, make: Callable[[], pa.Table]) -> pa.Table:
        path = self.cache / f"{digest}.parquet"
        if path.exists():
            try:
                return pq.read_table(path, partitioning=None)
            except (pa.ArrowException, OSError) as err:
                raise DataError(f"{path} cannot be read as Parquet ({err}). Delete it; it is made again.") from err
        table = make()
        with RowFile(path, table.schema) as file:
            file.write_table(table)
        return table


class Once:
    """Opens a model, once a process: sent to another one, it opens it there."""

    def __init__(self, opens: Callable[[], Embedder]) -> None:
        self.opens = opens
        self._opened: Embedder | None = None

    def __call__(self) -> Embedder:
        """Return the model, opened."""
        if self._opened is None:
            self._opened = self.opens()
        return self._opened

    def __reduce__(self) -> tuple[type["Once"], tuple[Callable[[], Embedder]]]:
        return Once, (self.opens,)


def _print_work(raw: Path, processes: int, progress: Progress) -> Work:
    def work(rows: pa.Table) -> pa.Table:
        measured = measure_shards(raw, rows, progress, processes=processes)
        return pa.table({"key": rows["key"], **{name: measured[name] for name in _SEEN}})

    return work


def _find_work(op: RowOp, seed: int, raw: Path) -> Work:
    def work(rows: pa.Table) -> pa.Table:
        if op.sees:
            pictures = [data for _, data in open_pictures(raw, rows)]
            rows = rows.append_column("picture", pa.array(pictures, pa.binary()))
        return op.find(rows, seed)

    return work


def digest_of(model: str, shown: Iterable[tuple[str, str]]) -> str:
    """Return the name of features: a digest of who made them, and of what, in order."""
    digest = hashlib.sha256(model.encode())
    for key, what in shown:
        for part in (key.encode(), what.encode()):
            digest.update(len(part).to_bytes(4, "big") + part)
    return digest.hexdigest()
