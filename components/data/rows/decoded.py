"""Pictures decoded once, to what the transform makes of them, so that a training step only moves and colours them.

Axes: M samples, C channels, S pixels of the kept pictures.
"""

import hashlib
import json
import math
import multiprocessing
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
import PIL
import torch
from PIL import features

from components.contracts.errors import DataError, TransientError
from components.contracts.progress import Progress
from components.data.processes import end_with_parent
from components.data.rows.cache import RowCache
from components.data.rows.pairs import Pairs
from components.data.selection import Pool
from components.data.transforms import preprocess as code_of_pixels
from components.data.transforms.preprocess import BadImage, Preprocess

PART = 64  # pictures that a process decodes before it reports
_FORK_FROM = 8 * PART  # pictures; fewer are decoded before processes would have started
Channels = Literal[3, 4]
"""3: RGB on the transform's background, as models are asked. 4: RGBA, for views that lay it on backgrounds of their own."""


def decode_pairs(
    pool: Pool, preprocess: Preprocess, progress: Progress, cache: RowCache | None = None, processes: int = 1
) -> Pairs:
    """Return the pool for training, its pictures decoded to RGBA, or to RGB where all are JPEGs; the rest as of `decode`."""
    channels: Channels = 3 if not preprocess.trim and pool.is_opaque() else 4  # what is trimmed may get a clear margin
    pictures = decode(pool, preprocess, channels, progress, cache, processes)
    return Pairs(
        keys=pool.keys, pictures=as_tensor(pictures), captions=pool.captions, concepts=pool.concepts, kinds=pool.kinds,
        languages=pool.languages, mentions=pool.mentions, groups=pool.groups, clusters=pool.clusters,
    )  # fmt: skip


def decode(
    pool: Pool, preprocess: Preprocess, channels: Channels, progress: Progress, cache: RowCache | None = None,
    processes: int = 1,
) -> np.ndarray:  # fmt: skip
    """Return uint8 [M C S S].

    Args:
        cache: where they are kept, so that the same pictures under the same transform are never decoded again; what
            comes from it stays on disk until it is looked at. None keeps them in memory, and so does a cache for which they are too few (`held_bytes`).
        processes: that decode at once into the cache; the result does not depend on it.

    Raises DataError naming the first sample that cannot be decoded, TransientError when a process was lost.
    """
    shape, work = (len(pool), channels, preprocess.size, preprocess.size), _Work(pool, preprocess, channels)
    if cache is not None and math.prod(shape) > cache.held_bytes:
        return cache.rows(
            name_of(pool, preprocess, channels), shape, lambda file: _fill(work, file, progress, processes), progress
        )
    rows = np.empty(shape, np.uint8)
    for place in range(len(pool)):
        rows[place] = work.decode(place)
        progress("decoding", place + 1, len(pool))
    return rows


def name_of(pool: Pool, preprocess: Preprocess, channels: Channels) -> str:
    """Return 32 hex digits over all that decides the rows: pictures and their order, transform, its code, the codecs."""
    code = hashlib.sha256(Path(code_of_pixels.__file__).read_bytes()).hexdigest()
    codecs = {name: features.version(name) for name in ("jpg", "libjpeg_turbo", "webp", "zlib")}
    quicker = {"simplejpeg": code_of_pixels.simplejpeg, "cykooz-resizer": code_of_pixels.simd}
    codecs |= {name: version(name) for name, here in quicker.items() if here}
    decides = {
        "channels": channels, "transform": asdict(preprocess), "code": code, "pillow": PIL.__version__, "codecs": codecs
    }  # fmt: skip
    total = hashlib.sha256(json.dumps(decides, sort_keys=True).encode())
    for digest in pool.sha256s or (hashlib.sha256(data).hexdigest() for data in pool.pictures):
        total.update(bytes.fromhex(digest))
    return total.hexdigest()[:32]


def as_tensor(rows: np.ndarray) -> torch.Tensor:
    """Return the same memory as a tensor, which nobody may write to."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # and must not be
        return torch.from_numpy(rows)


@dataclass(frozen=True, slots=True)
class _Work:
    pool: Pool
    preprocess: Preprocess
    channels: Channels

    def decode(self, place: int) -> np.ndarray:
        """Return one row; DataError for a picture that cannot be decoded, or is not as the manifest promises."""
        data = self.pool.pictures[place]
        try:
            return self.preprocess(data) if self.channels == 3 else self.preprocess.rgba(data)
        except BadImage as err:
            key = self.pool.keys[place]
            raise DataError(f"sample {key} cannot be trained on: {err}. Validate the data again.") from err

    def write(self, file: int, places: Sequence[int]) -> None:
        """Decode some rows into the file, each to its place."""
        for place in places:
            row = self.decode(place)
            os.pwrite(file, row.data, place * row.nbytes)


def _fill(work: _Work, file: int, progress: Progress, processes: int) -> None:
    count = len(work.pool)
    if processes <= 1 or count < _FORK_FROM:
        for place in range(count):
            work.write(file, [place])
            progress("decoding", place + 1, count)
        return
    for places in _by_processes(work, file, min(processes, count // PART)):
        progress("decoding", places.stop, count)


def _by_processes(work: _Work, file: int, processes: int) -> Iterator[range]:
    """Yield the places of each part as it is written, in order; forked, since pools and files cannot be sent along."""
    count = len(work.pool)
    parts = [range(start, min(start + PART, count)) for start in range(0, count, PART)]
    executor = ProcessPoolExecutor(
        processes, mp_context=multiprocessing.get_context("fork"), initializer=_begin, initargs=(work, file)
    )
    try:
        for places, problem in zip(parts, executor.map(_write_part, parts), strict=True):
            if problem is not None:
                raise DataError(problem)
            yield places
    except BrokenProcessPool as err:
        raise TransientError(
            "a process that decodes pictures ended before its work did; was it killed, or memory short? Run again."
        ) from err
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _begin(work: _Work, file: int) -> None:
    """Keep what this process works on: it was forked with it, and is never sent it."""
    global _mine
    _mine = (work, file)
    end_with_parent()


def _write_part(places: range) -> str | None:
    """Write some rows, and return what is wrong with the first that cannot be."""
    work, file = _mine
    try:
        work.write(file, places)
    except DataError as err:  # as words: not every error survives being sent
        return str(err)
    return None


_mine: tuple[_Work, int]
