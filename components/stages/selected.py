"""What a stage that trains reads: the selection of its recipe, as batches to learn from and a split to watch."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from components.contracts.progress import Progress
from components.data.loader import StepBatches
from components.data.manifest import read_manifest
from components.data.selection import Pool, decode_pairs, of_split, read_pool
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.data.transforms.views import Views
from components.evaluation.embedding import Embedder
from components.evaluation.retrieval import Gallery, recall_at_1
from components.recipes.section import build
from components.registry.live import LiveRun, Status
from components.training.callbacks import Log, Watch

KEPT = 4 / 3  # pixels of the kept pictures over those a view shows, so that zooming in stays sharp


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """The selection of a recipe.

    Args:
        train: what is learnt from.
        val: what is watched, and chosen by.
        files: all that was read, so that a training is known by the bytes of it.
    """

    train: Pool
    val: Pool
    files: tuple[Path, ...]

    @classmethod
    def read(cls, root: Path, recipe: str) -> "Selected":
        """Read data/curated/<recipe> with its pictures; DataError when a split is empty."""
        raw, path = root / "data/raw", root / f"data/curated/{recipe}/manifest.parquet"
        manifest = read_manifest(path)
        train, val = (read_pool(of_split(manifest, split), raw) for split in ("train", "val"))
        return cls(train=train, val=val, files=(path, raw / "train", raw / "val"))


def step_batches(
    pool: Pool, vocabulary: Vocabulary, preprocess: Preprocess, views: Mapping[str, Any], *, batch: int, seed: int,
    progress: Progress,
) -> StepBatches:  # fmt: skip
    """Decode a pool once and return its batches.

    Args:
        preprocess: decodes; its size is that of what a view shows.
        views: what Views takes, without its pixels.
        batch: rows a step; where the pool has fewer different captions, it is as many, which is said.
    """
    built = build({**views, "pixels": preprocess.size}, Views)
    pairs = decode_pairs(pool, replace(preprocess, size=round(preprocess.size * KEPT)), progress)
    batches = StepBatches(pairs, vocabulary, built, batch, seed)
    if (rows := batches.order.batch) < batch:
        few = f"{rows} different captions are trained on, so a step takes {rows} pictures"
        print(f"{few}, not the {batch} that the scale asks for", flush=True)
    return batches


def watching(embedder: Embedder, val: Pool) -> Watch:
    """Return what scores the model on the validation split: recall at 1, both ways."""
    pixels, gallery = embedder.pixels(val.pictures), Gallery.of(val.keys, val.captions, val.concepts)

    def watch(model: torch.nn.Module) -> Mapping[str, float]:
        scores = embedder.pixels_embedded(pixels) @ embedder.texts(gallery.texts).T
        return {f"val.{direction}.recall_at_1": v for direction, v in recall_at_1(scores, gallery.belongs).items()}

    return watch


@contextmanager
def live(root: Path, recipe: str, digest: str, params: Mapping[str, Any]) -> Iterator[Log]:
    """Yield what takes curves as they come, for the run of this training; it ends as the block does."""
    run = LiveRun.open(root, recipe, digest, params)
    status: Status = "FAILED"
    try:
        yield run.log
        status = "FINISHED"
    finally:
        run.close(status)
