"""How near each patch of a picture is to what is asked for, and which patches lie in a region.

Axes: Q queries, N pictures, K = h x w patches, L tokens, D shared width, S points a patch's side, W and H pixels of a mask.
"""

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float

from components.contracts.errors import CapabilityError
from components.contracts.evaluator import Encoder, PlacingEncoder, Subject
from components.contracts.sample import Region
from components.data.masks import unpack

Ask = Literal["word", "text"]
"""By what a patch is compared: the tokens of the word in its text, as token-wise models learn it, or the text's one vector."""
Window: TypeAlias = (
    Sequence[float] | np.ndarray
)  # left, top, right, bottom of what is shown, from 0 to 1 of the picture's sides
ASK = {"word": "by the tokens of the word", "text": "by the one vector of the text"}

POINTS = 9  # a patch's side; odd, so that one is its centre
_REGIONS = "Data with regions has it, such as the sources scenes and coco"


class Patches:
    """A model that says where: what was asked of its patches.

    Args:
        encoder: whose patches lie in a grid.
        ask: by what a patch is compared.
    """

    def __init__(self, encoder: PlacingEncoder, grid: tuple[int, int], ask: Ask) -> None:
        self.encoder, self.grid, self.ask = encoder, grid, ask

    @classmethod
    def of(cls, subject: Subject, ask: Ask) -> "Patches | str":
        """Return it, or why there is nothing to measure, in words."""
        if not any(pool.regions for pool in subject.pools.values()):
            return f"no picture to be measured on says where its things are. {_REGIONS}"
        encoder = subject.encoder
        if not isinstance(encoder, PlacingEncoder):
            return "the model gives one vector a picture and no patches. Choose a network that gives tokens"
        try:
            grid = encoder.grid()
        except CapabilityError as err:
            return f"the model gives no patches: {err}"
        if grid is None:
            return "the model's picture tokens lie in no grid, so none of them has a place. Choose a network whose do"
        return cls(encoder, grid, ask)

    def nearness(
        self, subject: Subject, split: str, texts: Sequence[str], words: Sequence[str]
    ) -> Callable[[int, Sequence[int]], Float[np.ndarray, "Q h w"]]:
        """Return what gives, of a picture of the split and some of the texts, the cosine of each patch with each."""
        patches = self.encoder.picture_tokens(subject.pools[split].pictures, subject.progress, f"patches of {split}")
        patches = _unit(patches)
        rows, mask = self._asked(texts, words)

        def near(picture: int, queries: Sequence[int]) -> Float[np.ndarray, "Q h w"]:
            some, real = rows[list(queries)], mask[list(queries)]
            cosines = np.einsum("kd,qld->qkl", patches[picture], some)
            mean = (cosines * real[:, None]).sum(2) / real.sum(1)[:, None]
            return mean.reshape(-1, *self.grid)

        return near

    def _asked(
        self, texts: Sequence[str], words: Sequence[str]
    ) -> tuple[Float[np.ndarray, "Q L D"], Bool[np.ndarray, "Q L"]]:
        if self.ask == "text":
            encoder = self.encoder
            assert isinstance(encoder, Encoder), "a model that gives tokens gives one vector too"
            return encoder.texts(texts)[:, None], np.ones((len(texts), 1), np.bool_)
        rows, real = self.encoder.text_tokens(texts)
        return _unit(rows), real & self.encoder.named(texts, words)


def points(grid: tuple[int, int], window: Window) -> tuple[Float[np.ndarray, "wS"], Float[np.ndarray, "hS"]]:
    """Return where points lie that are even over all patches: across and down, from 0 to 1 of the picture's sides."""
    left, top, right, bottom = window
    down, across = ((np.arange(count * POINTS) + 0.5) / (count * POINTS) for count in grid)
    return left + across * (right - left), top + down * (bottom - top)


def in_boxes(
    regions: Sequence[Region], across: Float[np.ndarray, "X"], down: Float[np.ndarray, "Y"]
) -> Bool[np.ndarray, "Y X"]:
    """Return which points lie in a box of one of the regions."""
    found = np.zeros((len(down), len(across)), np.bool_)
    for left, top, right, bottom in (region.box for region in regions):
        found |= ((top <= down) & (down <= bottom))[:, None] & ((left <= across) & (across <= right))
    return found


def in_masks(
    regions: Sequence[Region], across: Float[np.ndarray, "X"], down: Float[np.ndarray, "Y"]
) -> Bool[np.ndarray, "Y X"]:
    """Return which points lie on a pixel of one of the regions, all of which have a mask."""
    found = np.zeros((len(down), len(across)), np.bool_)
    within = ((down >= 0) & (down < 1))[:, None] & (across >= 0) & (across < 1)
    for region in regions:
        assert region.mask is not None, "a region without a mask was asked for it"
        assert region.of_px is not None, "a mask of no size"
        width, height = region.of_px
        mask = unpack(region.mask, (height, width))
        column = np.clip((across * width).astype(int), 0, width - 1)
        row = np.clip((down * height).astype(int), 0, height - 1)
        found |= mask[row][:, column] & within
    return found


def held(inside: Bool[np.ndarray, "hS wS"], grid: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """Return which patches point at it: those whose centre lies in it, and the one that holds most, so that small things have one."""
    high, wide = grid
    cells = inside.reshape(high, POINTS, wide, POINTS)
    share = cells.mean((1, 3))
    return cells[:, POINTS // 2, :, POINTS // 2] | ((share > 0) & (share == share.max()))


def best(near: Float[np.ndarray, "h w"], right: Bool[np.ndarray, "h w"]) -> float:
    """Return whether the nearest patch is a right one, 0 or 1; of several that are as near, the share that is."""
    return float(right[near == near.max()].mean())


def centre(grid: tuple[int, int]) -> Float[np.ndarray, "h w"]:
    """Return a nearness that has the middle of the picture as its best: what one guesses who looks at nothing."""
    down, across = (2 * np.arange(count) - (count - 1) for count in grid)
    return -(np.abs(down)[:, None] + np.abs(across)).astype(np.float64)


def _unit(rows: Float[np.ndarray, "... D"]) -> Float[np.ndarray, "... D"]:
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
