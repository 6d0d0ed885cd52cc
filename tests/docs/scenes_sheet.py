"""Draw docs/images/scenes.png: scenes of the three designers, twice as large, and where the things of the last six are.

python -m tests.docs.scenes_sheet
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from components.data.synthetic.brush import draw, place
from components.data.synthetic.scenes import ScenesSource, Shown

TO = Path(__file__).parents[2] / "docs/images/scenes.png"
COUNT, LARGER, GAP = 12, 2, 6


def main() -> None:
    """Draw, and write the file."""
    Image.fromarray(sheet()).quantize(64).save(TO, optimize=True)


def sheet() -> np.ndarray:
    """Return two rows of six pictures, and a third of the same six as the second with boxes and masks."""
    shown = list(ScenesSource(pictures=COUNT).shown(0))
    tiles = [[large(draw(one.scene)) for one in shown[:6]], [large(draw(one.scene)) for one in shown[6:]]]
    tiles.append([where(one) for one in shown[6:]])
    side, rows = len(tiles[0][0]), []
    for row in tiles:
        wall = np.full((side, GAP, 3), 120, np.uint8)
        rows += [np.concatenate([part for tile in row for part in (tile, wall)][:-1], 1)]
        rows += [np.full((GAP, rows[-1].shape[1], 3), 120, np.uint8)]
    return np.concatenate(rows[:-1])


def where(shown: Shown) -> np.ndarray:
    """Return masks in grey and boxes in red."""
    scene = shown.scene
    placed = [place(scene, thing) for thing in scene.things]
    grey = np.full((scene.size_px, scene.size_px, 3), 255, np.uint8)
    for one in placed:
        grey[one.mask] = 150
    picture = Image.fromarray(large(grey))
    for one in placed:
        left, top, right, bottom = (round(edge * picture.width) for edge in one.box)
        ImageDraw.Draw(picture).rectangle((left, top, right - 1, bottom - 1), outline=(214, 39, 40), width=2)
    return np.asarray(picture)


def large(pixels: np.ndarray) -> np.ndarray:
    """Return every pixel as a square."""
    return pixels.repeat(LARGER, 0).repeat(LARGER, 1)


if __name__ == "__main__":
    main()
