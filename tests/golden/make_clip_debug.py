"""Write clip_debug.json: the first losses of the recipe `clip` at `debug` on coloured squares.

    OMP_NUM_THREADS=1 python -m tests.golden.make_clip_debug

These numbers are our own. The loss of step 1 is also asked of open_clip in tests/components/methods/test_clip.py; what
they guard is everything before it (initial weights, order, views, tokenizer) and the step between them (groups, rate, decay).
Make them again only when one of those is meant to change, and say in the changelog by how much they moved.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from components.contracts.method import Method
from components.contracts.progress import silent
from components.contracts.text_pick import TextPick
from components.data.batches import StepBatches
from components.data.rows.decoded import decode_pairs
from components.data.samplers.distinct import DistinctBatches
from components.data.selection import Pool
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.recipes.recipe import load_recipe, load_scale
from components.recipes.views import main_views, more_views
from components.training.train import train
from tests.squares import REPOSITORY, clip_at_debug, clustered, linked, square_pool

STEPS = 2


def batches_at_debug(
    vocabulary: Vocabulary, name: str = "clip", pool: Pool | None = None, texts: Mapping[str, TextPick] | None = None
) -> StepBatches:
    """Return the batches that a recipe's views and texts, or others, and the scale's numbers make of the squares, or of another pool."""
    recipe, scale = load_recipe(REPOSITORY, name, "debug"), load_scale(REPOSITORY, "debug")
    pool = linked(pool or square_pool())
    pool = clustered(pool) if recipe.training.clusters else pool
    pairs = decode_pairs(pool, Preprocess(size=round(scale.pixels * 4 / 3)), silent)
    views, more = main_views(recipe.training.views, scale.pixels), more_views(recipe.training.views, scale.pixels)
    order = DistinctBatches(pairs.concepts, scale.batch, seed=0)
    return StepBatches(pairs, vocabulary, views, order, seed=0, texts=texts or recipe.training.texts, more=more)


def first_losses(
    method: Method, vocabulary: Vocabulary, steps: int = STEPS, name: str = "clip", pool: Pool | None = None
) -> list[float]:
    """Train for a few steps with a recipe's numbers, and return the loss of each."""
    scale = replace(load_scale(REPOSITORY, "debug"), steps=steps, precision="fp32", curve_every=1, watch_every=steps)
    optimisation = load_recipe(REPOSITORY, name, "debug").training.optimisation
    losses: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        train(
            method, batches_at_debug(vocabulary, name, pool), optimisation, scale, seed=0, folder=Path(folder), progress=silent,
            log=lambda step, values: losses.update({step: float(values["train.loss"])} if "train.loss" in values else {}),
            watch=lambda model: {},
        )  # fmt: skip
    return [loss for _, loss in sorted(losses.items())]


def main() -> None:
    """Train and write."""
    vocabulary = Vocabulary.train([text for texts in square_pool().captions for text in texts], size=300, context=12)
    golden = {"torch": torch.__version__, "losses": first_losses(clip_at_debug(vocabulary), vocabulary)}
    Path(__file__).with_name("clip_debug.json").write_text(json.dumps(golden, indent=2) + "\n")


if __name__ == "__main__":
    main()
