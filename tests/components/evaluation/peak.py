"""How much more memory than before Retrieval takes on many texts, and Slices after it: `python -m tests.components.evaluation.peak PICTURES TEXTS`.

A process of its own, since the most that a process held is known since its start. Prints one JSON object.
"""

import json
import sys
from dataclasses import replace

import numpy as np
import psutil
from PIL import Image

from components.data.selection import Pool
from components.evaluation.retrieval import Retrieval
from components.evaluation.slices import Slices
from tests.components.curation.peak import peak_bytes
from tests.squares import png, square_pool
from tests.subjects import Told, subject_of

TRAIN = 200  # pictures, which have all texts among them


def main() -> None:
    """Measure, print."""
    pictures, texts = map(int, sys.argv[1:])
    evaluators, draws = (Retrieval(ks=(1,)), Slices(of="category", floor=1)), np.random.default_rng(0)
    pool = noise(TRAIN + pictures, texts, draws)
    told = Told(
        {data: draws.standard_normal(4).tolist() for data in pool.pictures},
        {f"t{place}": draws.standard_normal(4).tolist() for place in range(texts)},
    )
    places = range(TRAIN + pictures)
    few = subject_of(square_pool(), squares(), squares(), {"train": range(20), "val": range(20, 50)})
    for evaluator in evaluators:
        evaluator.measure(few)
    subject = subject_of(pool, told, told, {"train": places[:TRAIN], "val": places[TRAIN:]})
    before = psutil.Process().memory_info().rss
    said = {}
    for evaluator in evaluators:
        numbers = len(evaluator.measure(subject).metrics)
        said[type(evaluator).__name__] = {"more_mb": (peak_bytes() - before) / 1e6, "numbers": numbers}
    print(json.dumps(said))


def noise(count: int, texts: int, draws: np.random.Generator) -> Pool:
    """Return pictures of noise of two categories; the texts are shared out among the first TRAIN of them, and again among the others."""

    def shared(among: int) -> list[tuple[str, ...]]:
        return [tuple(f"t{text}" for text in range(place, texts, among)) for place in range(among)]

    keys, said = tuple(f"p{place}" for place in range(count)), (*shared(TRAIN), *shared(count - TRAIN))
    data = (draws.integers(0, 255, (8, 8, 3), np.uint8) for _ in keys)
    return replace(
        square_pool(), keys=keys, pictures=tuple(png(Image.fromarray(pixels)) for pixels in data), captions=said, concepts=keys,
        sources=("noise",) * count, groups=tuple({"category": "ab"[place % 2]} for place in range(count)), regions=(), languages=(),
    )  # fmt: skip


def squares() -> Told:
    """Return an encoder of the squares, so that all is imported and made before it is counted."""
    pool = square_pool()
    texts = {text for own in pool.captions for text in own}
    return Told({data: (1.0, 2.0) for data in pool.pictures}, {text: (1.0, 2.0) for text in texts})


if __name__ == "__main__":
    main()
