"""What the pixels of a photograph cost, and how good they are: `python -m tests.benchmarks.decoding [--pictures 24]`.

CPU-milliseconds a picture from JPEG to 224 px, the least of several turns on one core: by Pillow alone, with the resizer of
cykooz-resizer, and with simplejpeg's decoder too. `bound` is decoding at an eighth of the size and nothing else, which is mostly the
Huffman codes that every decoder has to read. PSNR is against decoding whole and resizing in float64. Prints one JSON object.
"""

import argparse
import io
import json
import time
from collections.abc import Callable, Sequence

import numpy as np
import simplejpeg
from PIL import Image

from components.data.transforms.preprocess import Preprocess
from tests.benchmarks.photographs import drawn
from tests.exact_resize import resized

PIXELS, TURNS = 224, 7
SIZES = ((500, 375), (640, 480), (1024, 768))


def main() -> None:
    """Take turns, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=24)
    count = parser.parse_args().pictures
    print(json.dumps({f"{size[0]}x{size[1]}": measured(list(drawn(count, size))) for size in SIZES}))


def measured(pictures: Sequence[bytes]) -> dict[str, float]:
    """Return milliseconds and decibels by name."""
    pillow, simd = (Preprocess(size=PIXELS, resizer=resizer) for resizer in ("pillow", "simd"))
    ways: dict[str, Callable[[bytes], np.ndarray]] = {
        "pillow": pillow,
        "resizer": lambda data: simd.fit(simd.open(data)),
        "resizer and decoder": simd,
        "bound": lambda data: simplejpeg.decode_jpeg(data, min_height=1, min_width=1),
    }
    least = dict.fromkeys(ways, float("inf"))
    for _ in range(TURNS):
        for name, way in ways.items():
            begun = time.process_time()
            for data in pictures:
                way(data)
            least[name] = min(least[name], time.process_time() - begun)
    said = {f"{name} ms": round(1e3 * spent / len(pictures), 2) for name, spent in least.items()}
    whole = [resized(np.asarray(Image.open(io.BytesIO(data)), np.float64), PIXELS) for data in pictures[:8]]
    for name, way in (("pillow", pillow), ("simd", simd)):
        error = np.mean([((way(data) - exact) ** 2).mean() for data, exact in zip(pictures, whole, strict=False)])
        said[f"{name} psnr"] = round(float(10 * np.log10(255**2 / error)), 2)
    return said


if __name__ == "__main__":
    main()
