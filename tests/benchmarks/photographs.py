"""Photographs as JPEGs in WebDataset tars, drawn from a seed: what every side of the loader's benchmark reads.

Each is a part of one of the two photographs that come with scikit-learn (china and flower, 640 x 427), brought to the size that
is asked for, with a little grain, since what was enlarged has none; JPEG of quality 90.
"""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from tests.shards import write_shard

Size = tuple[int, int]
"""Width and height, in pixels."""
GRAIN = 4.0  # standard deviation, of 255


def drawn(count: int, size: Size) -> Iterator[bytes]:
    """Yield `count` JPEGs, the same every time."""
    draws = np.random.default_rng(0)
    whole = [Image.fromarray(picture) for picture in load_sample_images().images]
    for number in range(count):
        picture, share = whole[number % 2], draws.uniform(0.6, 1.0)
        width, height = int(picture.width * share), int(picture.height * share)
        left, top = draws.integers(0, picture.width - width + 1), draws.integers(0, picture.height - height + 1)
        part = picture.resize(size, box=(left, top, left + width, top + height))
        grain = draws.standard_normal(part.size[::-1], dtype=np.float32)[..., None] * GRAIN
        file = io.BytesIO()
        Image.fromarray((np.asarray(part) + grain).clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
        yield file.getvalue()


def write_tars(folder: Path, count: int, size: Size, a_tar: int = 250) -> Path:
    """Write them with a caption each, `a_tar` to a tar, and return the folder."""
    pictures = drawn(count, size)
    for shard, first in enumerate(range(0, count, a_tar)):
        numbers = range(first, min(first + a_tar, count))
        members = [
            member
            for number in numbers
            for member in (
                (f"{number:09d}.jpg", next(pictures)),
                (f"{number:09d}.txt", f"photograph {number}".encode()),
            )
        ]
        write_shard(folder / f"{shard:06d}.tar", members)
    return folder
