"""Write masks.json: masks, and how pycocotools packs them.

Run in an environment of its own: pip install pycocotools==2.0.11 numpy; python tests/golden/make_masks.py
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pycocotools import mask as coco


def main() -> None:
    y, x = np.mgrid[:24, :40]
    draw = np.random.default_rng(0)
    masks = {
        "nothing": x < 0,
        "everything": x >= 0,
        "first column": x == 0,
        "circle": (x - 17) ** 2 + (y - 11) ** 2 < 80,
        "ring": abs(((x - 30) ** 2 + (y - 10) ** 2) ** 0.5 - 6) < 2,
        "two": (abs(x - 5) + abs(y - 5) < 4) | ((x > 30) & (y > 20)),
        "noise": draw.random((24, 40)) < 0.3,
        "long runs": (x > 2) & (x < 37),
    }
    rows = [
        {
            "name": name,
            "rows": ["".join("x" if inside else "." for inside in row) for row in mask],
            "packed": coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode(),
        }
        for name, mask in masks.items()
    ]
    made = {"pycocotools": version("pycocotools"), "masks": rows}
    Path(__file__).with_name("masks.json").write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
