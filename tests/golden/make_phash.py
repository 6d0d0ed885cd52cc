"""Write phash.json: what imagehash's `phash` says of pictures that are kept beside it as their greys.

    python tests/golden/make_phash.py

imagehash is no dependency of ours: `pip install --target FOLDER imagehash==4.3.2` and PYTHONPATH=FOLDER will do.
The pictures are smooth noise, of which no coefficient is nought.
"""

import json
from importlib.metadata import version
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image


def main() -> None:
    """Draw, ask the peer, write."""
    draw = np.random.default_rng(17)
    cases = []
    for width, height in ((8, 8), (12, 8), (8, 14), (10, 10), (16, 8), (9, 9)):
        pixels = draw.integers(0, 256, (height, width, 3), dtype=np.uint8)
        said = str(imagehash.phash(Image.fromarray(pixels).resize((96, 64), Image.Resampling.BICUBIC)))
        cases.append({"pixels": pixels.tolist(), "phash": said})
    golden = {"peer": f"imagehash {version('imagehash')}, phash", "resized": [96, 64], "cases": cases}
    text = json.dumps(golden, separators=(",", ":")).replace('{"pixels"', '\n{"pixels"')
    Path(__file__).with_name("phash.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
