"""Where a picture stands in a manifest, told without reading it: hashes of key, file and pixels on disk, of which an answer touches a few pages.

Two pictures are one by their key, their file or their pixels. Hashes have 64 bits and are compared alone: that two of a million
pictures share one happens once in 37 million manifests. Whoever must not err once, such as a removal, reads the manifest.
"""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

import numpy as np

from components.contracts.errors import DataError

BY = ("key", "sha256", "pixel_sha256")
_SPLITS = "splits.json"
_VERSION = "1"  # of the files' layout; part of their folder's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What a picture is known by: a hash by each of BY, 0 where there is none."""

    hashes: tuple[int, int, int]


class PictureIndex:
    """The rows of a manifest, by hash.

    Args:
        hashes: uint64 [3 N], a row for each of BY; 0 where the manifest has nothing.
        orders: uint32 [3 N], which sort each of them.
        codes: uint8 [N], places in `splits`.
    """

    def __init__(self, hashes: np.ndarray, orders: np.ndarray, codes: np.ndarray, splits: Sequence[str]) -> None:
        self._hashes, self._orders, self._codes, self._splits = hashes, orders, codes, tuple(splits)

    def __len__(self) -> int:
        return len(self._codes)

    @classmethod
    def of(cls, manifest: Path) -> Self:
        """Read the four columns of a manifest that matter; DataError when it has not got them. A million rows take seconds."""
        import pyarrow as pa
        import pyarrow.parquet as pq  # whoever only asks need not wait for it

        try:
            table = pq.read_table(manifest, columns=[*BY, "split"], partitioning=None)
            columns = [table[name] for name in (*BY, "split")]
        except (OSError, KeyError, pa.ArrowException) as err:
            raise DataError(
                f"{manifest} cannot be read as a manifest ({err}). Delete it and run `dvc repro` again."
            ) from err
        hashes = np.stack([hashed(column.to_pylist()) for column in columns[:3]])
        orders = np.argsort(hashes, axis=1, kind="stable").astype(np.uint32)
        encoded = columns[3].combine_chunks().dictionary_encode()
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.uint8)
        return cls(hashes, orders, codes, encoded.dictionary.to_pylist())

    def write(self, folder: Path) -> None:
        """Leave it in a folder, whole or not at all; one that is there already stays."""
        partial = folder.with_name(f".{folder.name}.{os.getpid()}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name, values in (("hashes", self._hashes), ("orders", self._orders), ("codes", self._codes)):
            np.save(partial / f"{name}.npy", values, allow_pickle=False)
        (partial / _SPLITS).write_text(json.dumps(self._splits), encoding="utf-8")
        try:
            partial.rename(folder)
        except OSError:  # another was faster
            shutil.rmtree(partial)

    @classmethod
    def read(cls, folder: Path) -> "Self | None":
        """Return what `write` left, of which nothing is read yet; None where there is nothing, or nothing of use."""
        try:
            hashes, orders, codes = (
                np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
                for name in ("hashes", "orders", "codes")
            )
            splits = json.loads((folder / _SPLITS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return cls(hashes, orders, codes, splits) if hashes.shape == orders.shape == (len(BY), len(codes)) else None

    def named(self, key: str) -> Picture | None:
        """Return the picture of a key; None where the manifest has no such key."""
        rows = self._rows(0, int(hashed([key])[0]))
        if not len(rows):
            return None
        return Picture(hashes=(*(int(self._hashes[at, rows[0]]) for at in range(3)),))  # type: ignore[arg-type]

    def splits_of(self, picture: Picture) -> list[str]:
        """Return the split of each row that shows the picture."""
        rows = {int(row) for at, value in enumerate(picture.hashes) if value for row in self._rows(at, value)}
        return [self._splits[self._codes[row]] for row in sorted(rows)]

    def _rows(self, at: int, value: int) -> Any:
        sorted_by, order = self._hashes[at], self._orders[at]
        low, high = (_place(sorted_by, order, value, side) for side in (False, True))
        return order[low:high]


def _place(values: np.ndarray, order: np.ndarray, wanted: int, after: bool) -> int:
    """Return where `wanted` would stand, before or after its equals. By hand: numpy would read all of a mapped file."""
    low, high = 0, len(order)
    while low < high:
        middle = (low + high) // 2
        found = int(values[order[middle]])
        if found < wanted or (after and found == wanted):
            low = middle + 1
        else:
            high = middle
    return low


def hashed(values: Sequence[str | None]) -> np.ndarray:
    """Return uint64 [N], never 0 for a text and always for none."""
    digests = b"".join(
        bytes(8) if value is None else blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        for value in values
    )
    hashes = np.frombuffer(digests, "<u8").copy()
    hashes[(hashes == 0) & np.array([value is not None for value in values], bool)] = 1
    return hashes


def index_name(of: str) -> str:
    """Return the name of the folder for an index of something; it changes with the layout."""
    return f"{blake2b(of.encode(), digest_size=12).hexdigest()}-{_VERSION}"
