"""What one of several processes measures: `torchrun ... measuring.py FOLDER`, one file of JSON a rank; a test measures the same alone."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from components.contracts.evaluator import Evaluator
from components.contracts.progress import silent
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.evaluation.embedding import Embedder
from components.evaluation.ranking import Cosines, Right, placed
from components.evaluation.ranks import in_pieces, sharing
from components.recipes.section import build
from flows.evaluate import Asked, evaluate
from tests.over_ranks import say_where_it_hangs
from tests.squares import clip_at_debug, square_pool
from tests.subjects import subject_of

HERE = Path(__file__)
CATALOGUE = HERE.parents[3] / "components/evaluation/catalogue.yaml"
GIVEN = HERE.parents[2] / "golden/transformers/clip_gelu"
SPLITS = {"train": range(0, 50, 2), "val": range(1, 25, 2), "pair": range(25, 50, 2)}
EVALUATORS = (
    "retrieval",
    "zero_shot",
    "late_interaction",
    "feature_stats",
    "grounding",
    "robustness",
)  # all ways to ask a model
BATCH = 5  # so that there are pieces for all, and one that is shorter


class Counting(Preprocess):
    """A transform that counts what it was asked."""

    asked = 0

    def __call__(self, data: bytes) -> np.ndarray:
        """Return the picture as ever."""
        type(self).asked += 1
        return super().__call__(data)


def measured(folder: Path) -> dict[str, Any]:
    """Return all numbers and rows of evaluators that ask a model in different ways, and leave a set measured in `folder`."""
    pool = square_pool()
    vocabulary = Vocabulary.train([text for texts in pool.captions for text in texts], size=300, context=12)
    encoder, untrained = (
        Embedder(clip_at_debug(vocabulary, seed).model.eval(), vocabulary, Counting(size=32), BATCH) for seed in (0, 1)
    )
    said: dict[str, Any] = {}
    catalogue = yaml.safe_load(CATALOGUE.read_text())
    for name in EVALUATORS:
        row = catalogue[name]
        found = build({"class_path": row["class_path"], "init_args": row["init_args"]}, Evaluator).measure(
            subject_of(pool, encoder, untrained, SPLITS)
        )
        said[name] = {
            "metrics": {metric.name: metric.as_json() for metric in found.metrics},
            "rows": {table: rows.to_pylist() for table, rows in found.rows.items()},
        }
    spaces = encoder.encoded(pool.pictures, ("pooled", "features"), silent, "")
    said["spaces"] = {name: rows.tolist() for name, rows in spaces.items()}
    draw = np.random.default_rng(0)
    image, text = (draw.standard_normal((23, 8)).astype(np.float32) for _ in range(2))
    blocks = placed(
        Cosines(left=image, right=text), Right.of([[place] for place in range(23)], 23), block_bytes=4 * 23 * 4
    )
    said["blocks"] = {name: getattr(blocks, name).tolist() for name in ("rank", "first", "score", "precision")}
    pieces = in_pieces(lambda start: (np.full((start, 2), start, np.float16), np.arange(start) > 1), range(4))
    said["pieces"] = [[array.tolist() for array in piece] + [str(array.dtype) for array in piece] for piece in pieces]
    said["encoded"] = Counting.asked
    if (folder / "sayings").exists():
        evaluate(Asked(path=GIVEN, batch=8), [folder / "sayings"], folder / "found", as_json=False)
    return said


if __name__ == "__main__":
    say_where_it_hangs()
    with sharing() as share:
        (Path(sys.argv[1]) / f"{share.rank}.json").write_text(json.dumps(measured(Path(sys.argv[1]))))
