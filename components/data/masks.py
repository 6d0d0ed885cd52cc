"""Masks as COCO writes them: the lengths of runs down the columns, packed into letters.

Source: maskApi.c of cocodataset/cocoapi, rleToString and rleFrString. Differs: nothing.
Golden: pycocotools, tests/golden/masks.json.
Axes: H rows and W columns of a picture.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Bool

from components.contracts.errors import DataError

_BITS, _MORE, _SIGN, _FIRST = 5, 0x20, 0x10, 48  # of a letter: five bits of a number, and whether more follow


def pack(mask: Bool[np.ndarray, "H W"]) -> str:
    """Return the runs: first of what is outside, then inside, in turn; from the third on, less the one before last."""
    flat = mask.T.reshape(-1)
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    if flat[:1].any():
        runs = [0, *runs]
    less = [run - runs[place - 2] if place > 2 else run for place, run in enumerate(runs)]
    return "".join(map(_letters, less))


def unpack(packed: str, size: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    """Return the mask of that many rows and columns; DataError when the runs do not fill it."""
    runs: list[int] = []
    number = shift = 0
    for letter in packed:
        part = ord(letter) - _FIRST
        number |= (part & (_MORE - 1)) << shift
        shift += _BITS
        if part & _MORE:
            continue
        number = number - (1 << shift) if part & _SIGN else number
        runs.append(number + runs[-2] if len(runs) > 2 else number)
        number = shift = 0
    if min(runs, default=0) < 0 or sum(runs) != size[0] * size[1] or shift:
        raise DataError(
            f"a mask's runs cover {sum(runs):,} pixels, but the picture has {size[0]} x {size[1]}. It was cut, or is of another "
            "picture; write it again."
        )
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(size[1], size[0]).T


@lru_cache(maxsize=4096)
def _letters(number: int) -> str:
    letters, more = [], True
    while more:
        part = number & (_MORE - 1)
        number >>= _BITS
        more = number != (-1 if part & _SIGN else 0)
        letters.append(chr((part | _MORE if more else part) + _FIRST))
    return "".join(letters)
