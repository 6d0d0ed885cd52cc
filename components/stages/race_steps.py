"""The steps of a race: what pairs each has, and how many the longest heat takes."""

from collections import Counter
from dataclasses import replace

import torch

from components.contracts.errors import ConfigError
from components.contracts.progress import Progress
from components.data.batches import StepBatches
from components.data.processes import cores
from components.data.rows.cache import RowCache
from components.data.rows.decoded import decode_pairs
from components.data.samplers.distinct import DistinctBatches
from components.data.selection import Pool
from components.data.transforms.views_by_row import ViewsByRow
from components.evaluation.embedding import Embedder
from components.finetuning.augment import Augment, views_of
from components.recipes.views import main_views
from components.stages.recalled import Recall, replayed
from components.stages.selected import KEPT

EPOCHS = 30  # at most, of the longest heat
HELD_BYTES = 2_000_000_000  # of decoded pictures, those of one split, that a race keeps in memory: 7,000 photographs of 224 px, since what is kept is larger


def batches_of(
    embedder: Embedder, pool: Pool, batch: int, seed: int, progress: Progress, augment: Augment = "light", recall: Recall | None = None,
    alike: bool = False, cache: RowCache | None = None,
) -> StepBatches:  # fmt: skip
    """Return what is learnt from: each caption at most once a batch, of long ones whole sentences; ConfigError for fewer than two.

    Args:
        recall: general pictures that are learnt from beside those of the pool, where it has a share, by its views.
        alike: whether a batch may have several of one concept, each of which is then as often in it as the others.
        cache: keeps decoded pictures, as of `decode`; batches do not depend on it.
    """
    if len(set(pool.concepts)) < 2:
        raise ConfigError(
            f"all {len(pool):,} pictures to learn from have one caption, so there is nothing to tell apart. Say of each what it shows."
        )
    size, often, own = embedder.preprocess.size, list[float](), len(pool)
    if recall and recall.share:
        pool, often, batch = replayed(pool, recall.pool, recall.share, batch, alike)
    elif alike:
        of, batch = Counter(pool.concepts), min(batch, len(pool))
        often = [1 / of[concept] for concept in pool.concepts]
    else:
        batch = batch_of(pool, batch)
    pairs = decode_pairs(pool, replace(embedder.preprocess, size=round(size * KEPT)), progress, cache, cores())
    shown = (
        recall.views if recall and recall.share else None
    )  # what is learnt from again, which stands behind one's own
    views = views_of(augment, size, pool.captions if shown is None else pool.captions[:own])
    if shown is not None:
        views = ViewsByRow(views, main_views(shown, size), torch.arange(len(pairs.keys)) >= own)
    order = DistinctBatches(pairs.keys if alike else pairs.concepts, batch, seed=seed, often=often)
    return StepBatches(pairs, embedder.vocabulary, views, order, seed=seed, long="sample")


def most_of(pictures: int, batch: int, asked: int = 0) -> int:
    """Return the steps of the longest heat: those that were asked for, or as many as take EPOCHS times all pictures, general ones that are learnt from with them."""
    return asked or max(1, EPOCHS * pictures // batch)


def batch_of(pool: Pool, batch: int) -> int:
    """Return how many pairs a step has: those that were asked for, or one of each caption where there are fewer."""
    return min(batch, len(set(pool.concepts)))
