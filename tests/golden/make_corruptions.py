"""Write corruptions.json: a picture under the corruptions of ImageNet-C, at its severities 1, 3 and 5.

Run in an environment of its own: pip install imagecorruptions==1.1.2; python tests/golden/make_corruptions.py
Of each picture that comes out there are the means of 16 x 16 pixels, 0 to 255, and the root mean square of how far its pixels moved.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from imagecorruptions import corrupt

SIDE, BLOCK = 224, 16
NAMES = (
    "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "motion_blur", "zoom_blur", "brightness", "contrast",
    "pixelate", "jpeg_compression",
)  # fmt: skip


def picture() -> np.ndarray:
    """Return a disk and a bar on a ground that changes its colour, with stripes: uint8 [224 224 3]."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    ground = np.stack([0.3 + 0.4 * x, 0.5 - 0.3 * y, 0.4 + 0.2 * x * y], -1)
    ground[np.hypot(x - 0.4, y - 0.45) < 0.22] = (0.85, 0.2, 0.1)
    ground[(abs(x - 0.75) < 0.05) & (y > 0.2)] = (0.05, 0.1, 0.3)
    ground[(y > 0.8) & (np.floor(x * 28) % 2 == 0)] = (0.9, 0.9, 0.6)
    return (ground * 255).round().astype(np.uint8)


def blocks(pixels: np.ndarray) -> list[int]:
    """Return the means of 16 x 16 pixels over all channels, rounded, row by row."""
    cells = SIDE // BLOCK
    return (
        pixels.astype(float)
        .mean(-1)
        .reshape(cells, BLOCK, cells, BLOCK)
        .mean((1, 3))
        .round()
        .astype(int)
        .ravel()
        .tolist()
    )


def main() -> None:
    np.random.seed(0)
    given = picture()
    made = []
    for name in NAMES:
        for strength, severity in enumerate((1, 3, 5), 1):
            shown = corrupt(given, corruption_name=name, severity=severity)
            moved = float(np.sqrt(((shown.astype(float) - given) ** 2).mean()))
            made.append({"name": name, "strength": strength, "moved": round(moved, 2), "blocks": blocks(shown)})
    told = {"imagecorruptions": version("imagecorruptions"), "pillow": version("pillow"), "made": made}
    Path(__file__).with_name("corruptions.json").write_text(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
