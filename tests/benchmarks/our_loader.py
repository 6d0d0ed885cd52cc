"""Our side of the loader's benchmark: `python -m tests.benchmarks.our_loader RAW CACHE PIXELS BATCH plain|train|device`.

The batches of a training, made in this process: `plain` shows pictures as they are, `train` by the views of the recipe clip,
`device` leaves that to a GPU and gives bytes. The first epoch decodes into an empty cache, the second shows them again; `again` is the
first epoch of another training, which checks the cache before it uses it. Prints one line of JSON.
"""

import json
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from components.contracts.progress import silent
from components.data.batches import StepBatches, Unseen
from components.data.loader import loader
from components.data.manifest import read_manifest
from components.data.rows.cache import RowCache
from components.data.rows.decoded import decode_pairs
from components.data.samplers.distinct import DistinctBatches
from components.data.selection import distinct, read_pool
from components.data.share import Share
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.data.transforms.views import Drawn, Views
from components.recipes.recipe import load_recipe
from components.recipes.section import build
from components.stages.selected import KEPT
from tests.benchmarks.environments import ROOT
from tests.benchmarks.peers.spent import passed

WAYS = ("plain", "train", "device")


class Still(Views):
    """Pictures as they were kept, as floats."""

    def show(self, pictures: Tensor, drawn: Drawn) -> Tensor:
        return pictures[:, :3].float() / 255


def views(way: str, pixels: int) -> Views:
    if way == "plain":
        return Still(pixels)
    return build({**load_recipe(ROOT, "clip", "laptop").training.views, "pixels": pixels}, Views)


class Loading:
    """A training's loading of a snapshot; its vocabulary, which is learned of all captions, is made before anything is timed."""

    def __init__(self, raw: Path, cache: RowCache, pixels: int, batch: int, way: str) -> None:
        self.pool, self.cache, self.batch, self.late = (
            read_pool(read_manifest(raw / "manifest.parquet"), raw),
            cache,
            batch,
            way == "device",
        )
        self.vocabulary = Vocabulary.train(distinct([text for texts in self.pool.captions for text in texts]), 1024, 24)
        self.views, self.size = views(way, pixels), pixels if way == "plain" else round(pixels * KEPT)
        self.batches: StepBatches | None = None

    def begin(self) -> StepBatches:
        """Decode, or find what is in the cache whole, and tokenise."""
        pairs = decode_pairs(self.pool, Preprocess(size=self.size), silent, self.cache)
        order = DistinctBatches(pairs.concepts, self.batch, seed=0)
        whole = StepBatches(pairs, self.vocabulary, self.views, order, seed=0)
        self.batches = whole.made_for(Share(), late=self.late)
        return self.batches

    def epoch(self, number: int) -> Iterator[Tensor]:
        """Yield the pictures of every batch of an epoch."""
        batches = self.batches or self.begin()
        first = number * batches.order.steps_per_epoch
        for made in loader(batches, first, first + batches.order.steps_per_epoch):
            yield made.pictures if isinstance(made, Unseen) else made.images["main"].pixels


def measure(raw: Path, folder: Path, pixels: int, batch: int, way: str) -> dict[str, Any]:
    """Return what two epochs take, and the first one of another training."""
    folder.mkdir(parents=True)
    loading, shown = (
        Loading(raw, RowCache(folder=folder), pixels, batch, way),
        None if way == "device" else (3, pixels, pixels),
    )
    epochs = [passed(loading.epoch(number), shown) for number in (0, 1)]
    loading.batches = None
    again = passed(loading.epoch(0), shown)
    return {
        "epochs": epochs, "again": again, "versions": {name: version(name) for name in ("torch", "pillow")},
    }  # fmt: skip


def main() -> None:
    """Load twice, and print."""
    torch.set_num_threads(1)
    raw, cache, pixels, batch, way = (
        Path(sys.argv[1]),
        Path(sys.argv[2]),
        int(sys.argv[3]),
        int(sys.argv[4]),
        sys.argv[5],
    )
    print(json.dumps(measure(raw, cache, pixels, batch, way)))


if __name__ == "__main__":
    main()
