"""The rows that are sound so far, column by column, so that a check asks a million of them at once."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.contracts.sample import TEST_SPLITS
from components.validation.findings import Finding
from components.validation.fit import Fit
from components.validation.near import Prints
from components.validation.takedown import Takedown


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """All texts of some rows, one after another.

    Args:
        owner: int64 [T], which row of the Rows each belongs to, ascending.
        text: string [T].
    """

    owner: NDArray[np.int64]
    text: pa.Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What a check looks at. Every row has a key, a split, a text and a picture that can be decoded.

    Args:
        manifest: N rows of data/manifest.py's SCHEMA.
        measured: what measure.py found of their pictures, MEASURED.
        places: int64 [N], ascending: where each stands in the whole manifest.
        seed: decides every draw.
        takedown: pictures that must not be used.
        known_bad: pictures that are known to be bad.
        fit: which scores are usual; None where nobody scored.
    """

    manifest: pa.Table
    measured: pa.Table
    places: NDArray[np.int64]
    seed: int
    takedown: Takedown = field(default_factory=Takedown)
    known_bad: Takedown = field(default_factory=Takedown)
    fit: Fit | None = None

    @classmethod
    def of(
        cls, manifest: pa.Table, measured: pa.Table, seed: int, takedown: Takedown = Takedown(),  # noqa: B008 -- frozen
        known_bad: Takedown = Takedown(), fit: Fit | None = None,  # noqa: B008 -- frozen
    ) -> "Rows":  # fmt: skip
        """Return all rows of a manifest."""
        return cls(
            manifest=manifest, measured=measured, places=np.arange(len(manifest)), seed=seed, takedown=takedown,
            known_bad=known_bad, fit=fit,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.places)

    def without(self, gone: Collection[int]) -> "Rows":
        """Return the rows whose place in the whole manifest is not among `gone`."""
        stays = ~np.isin(self.places, np.fromiter(gone, np.int64, len(gone)))
        if stays.all():
            return self
        mask = pa.array(stays)
        return replace(
            self, manifest=self.manifest.filter(mask), measured=self.measured.filter(mask), places=self.places[stays]
        )

    def of_splits(self, *splits: str) -> NDArray[np.bool_]:
        """Return bool [N]: which rows are of these splits."""
        return np.asarray(pc.is_in(self.manifest["split"], pa.array(splits, pa.string())))

    @property
    def trained(self) -> NDArray[np.bool_]:
        """Return bool [N]: which rows are trained on."""
        return self.of_splits("train")

    @property
    def measured_with(self) -> NDArray[np.bool_]:
        """Return bool [N]: which rows a number is taken from, `val` and the test splits."""
        return self.of_splits("val", *TEST_SPLITS)

    def prints(self, some: NDArray[np.int64]) -> Prints:
        """Return what some of the pictures look like."""
        measured = self.measured.select(["perceptual", "colour"]).take(pa.array(some, pa.int64())).combine_chunks()
        colours = measured["colour"].combine_chunks()
        return Prints(
            hashes=np.asarray(measured["perceptual"], np.uint64),
            colours=np.asarray(colours.flatten(), np.float32).reshape(-1, 3),
        )

    def corner(self, place: int, some: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Return the hashes of one of the four corners of some rows, and the rows: those whose corner shows something."""
        corners = self.measured["corners"].combine_chunks().take(pa.array(some, pa.int64())).flatten()
        of_place = corners.take(pa.array(np.arange(place, len(corners), 4)))
        seen = np.asarray(of_place.is_valid())
        return np.asarray(of_place.drop_null(), np.uint64), some[seen]

    def different_pictures(self, wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return positions of these rows, of those whose pixels are the same only the first."""
        some = np.flatnonzero(wanted)
        codes = self.measured["pixel_sha256"].combine_chunks().dictionary_encode().indices
        _, first = np.unique(np.asarray(codes.take(pa.array(some))), return_index=True)
        return some[np.sort(first)]

    def texts(self) -> Texts:
        """Return every text of every row."""
        lists = self.manifest["texts"].combine_chunks()
        owner = np.asarray(pc.list_parent_indices(lists), np.int64)
        return Texts(owner=owner, text=pc.list_flatten(lists).field("text"))

    def first_texts(self) -> pa.Array:
        """Return string [N]: what is said of each row first, null where that is nothing."""
        texts = self.texts()
        first = np.full(len(self), -1)
        owner, at = np.unique(texts.owner, return_index=True)
        first[owner] = at
        return texts.text.take(pa.array(first, mask=first < 0))

    def read(self, some: NDArray[np.int64], *columns: str) -> list[dict[str, Any]]:
        """Return some rows of the manifest as plain values, their columns `columns`; positions count from 0 among these rows."""
        rows: list[dict[str, Any]] = self.manifest.select(columns).take(pa.array(some, pa.int64())).to_pylist()
        return rows

    def called(self, at: int | np.int64) -> str:
        """Return how a report names a row: its key, and its split in brackets."""
        return f"{self.manifest['key'][int(at)].as_py()} ({self.manifest['split'][int(at)].as_py()})"

    def finding(self, at: int | np.int64, reason: str, detail: str, weight: float = 0.0) -> Finding:
        """Return what was found of one of these rows."""
        return Finding(row=int(self.places[at]), reason=reason, detail=detail, weight=weight)


def groups(values: pa.ChunkedArray | pa.Array) -> list[NDArray[np.int64]]:
    """Return the positions of every value that occurs more than once, first seen first; a null equals nothing."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    codes = np.asarray(values.dictionary_encode().indices.fill_null(-1), np.int64)
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-2))
    ends = np.append(starts[1:], len(codes))
    several = (ends - starts > 1) & (codes[order][starts] >= 0)
    return [order[start:end] for start, end in zip(starts[several], ends[several], strict=True)]
