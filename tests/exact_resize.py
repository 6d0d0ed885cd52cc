"""Resizing by the definition, in float64: what resizers that round are held against.

Axes: H, W of the picture, S pixels a side of what comes out.
"""

import numpy as np


def resized(pixels: np.ndarray, size: int) -> np.ndarray:
    """Return float64 [3 S S], clipped to 0 and 255, of the square in the middle of [H W 3], by a Catmull-Rom spline, anti-aliased."""
    side = min(pixels.shape[:2])
    down, across = (weights(one, size, (one - side) / 2, side) for one in pixels.shape[:2])
    return np.clip(
        np.einsum("swc,tw->cst", np.einsum("sh,hwc->swc", down, pixels, optimize=True), across, optimize=True), 0, 255
    )


def weights(source: int, target: int, start: float, span: float) -> np.ndarray:
    """Return how much each of `source` pixels counts for each of `target`, which show `span` of them from `start`: [target source]."""
    step, found = span / target, np.zeros((target, source))
    for place in range(target):
        x = np.abs(np.arange(source) + 0.5 - start - (place + 0.5) * step) / max(step, 1)
        near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
        found[place] = np.where(x < 1, near, np.where(x < 2, far, 0))
    return found / found.sum(1, keepdims=True)
