"""What a stage that trains reads: the selection of its recipe, as batches to learn from and a split to watch."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from components.contracts.errors import ConfigError
from components.contracts.progress import Progress
from components.contracts.text_pick import CAPTION
from components.data.batches import NO_NEGATIVES, StepBatches
from components.data.clusters import read_clusters
from components.data.judged import read_negatives
from components.data.manifest import read_manifest
from components.data.mentions import read_mentions
from components.data.processes import cores
from components.data.rows.cache import MOST_BYTES, RowCache
from components.data.rows.captions import Captions
from components.data.rows.decoded import as_tensor, decode, decode_pairs
from components.data.rows.picked import picked
from components.data.samplers.distinct import Distinct
from components.data.samplers.ordering import Ordering, Rows
from components.data.selection import Pool, languages_of, of_split, read_pool
from components.data.series import SERIES, series_in
from components.data.side.read import Side
from components.data.side.write import SIDE
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.evaluation.embedding import Embedder
from components.evaluation.ranking import tied, twins
from components.evaluation.retrieval import Gallery, recall_at_1
from components.recipes.recipe import Training, batch_asked
from components.recipes.section import build
from components.recipes.views import main_views, more_views
from components.registry.live import LiveRun, Status
from components.stages.place import private
from components.stages.stage import Stage
from components.training.callbacks import Watch
from components.training.telling import Log

KEPT = 4 / 3  # pixels of the kept pictures over those a view shows, so that zooming in stays sharp


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """The selection of a recipe.

    Args:
        train: what is learnt from.
        val: what is watched, and chosen by.
        files: all that was read, so that a training is known by the bytes of it.
        side: what teachers said of `train`, whose captions are then more than its own.
        negatives: key -> texts that its picture does not fit.
    """

    train: Pool
    val: Pool
    files: tuple[Path, ...]
    side: Side | None = None
    negatives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Path, recipe: str, training: Training | None = None) -> "Selected":
        """Read data/curated/<recipe> with its pictures, and the side shards and negatives that its training names.

        Raises DataError when a split is empty or side shards are not whole, ConfigError when they are of other samples or views, or
        negatives are others than are meant.
        """
        raw, path = root / "data/raw", root / f"data/curated/{recipe}/manifest.parquet"
        manifest = read_manifest(path)
        train, val = (read_pool(of_split(manifest, split), raw) for split in ("train", "val"))
        if training and training.texts[CAPTION].language_alpha != 1:
            train = replace(train, languages=languages_of(of_split(manifest, "train")))
        train, val = (replace(pool, series=series_in(path.parent, pool.keys)) for pool in (train, val))
        beside = (path.with_name(SERIES.file),) if train.series or val.series else ()
        selected = cls(train=train, val=val, files=(path, *beside, raw / "train", raw / "val"))
        if training and any(pick.mentions for pick in training.texts.values()):
            selected = selected.linked(path.with_name("columns.parquet"))
        if training and training.clusters:
            selected = selected.clustered(path.with_name("columns.parquet"))
        if training and training.negatives.path:
            selected = selected.against(root / training.negatives.path, training.negatives.digest)
        return selected.beside(root, training) if training and training.reinforce.side else selected

    def linked(self, columns: Path) -> "Selected":
        """Return the same with where concepts stand in captions; DataError as of read_mentions."""
        mentions = read_mentions(columns, self.train.keys, self.train.captions)
        return replace(self, train=replace(self.train, mentions=mentions), files=(*self.files, columns))

    def clustered(self, columns: Path) -> "Selected":
        """Return the same with the clusters of each picture; DataError as of read_clusters."""
        clusters = read_clusters(columns, self.train.keys)
        return replace(self, train=replace(self.train, clusters=clusters), files=(*self.files, columns))

    def against(self, path: Path, digest: str) -> "Selected":
        """Return the same with texts that do not fit, of the pictures that are learnt from; errors as of read_negatives."""
        known = read_negatives(path, digest)
        its = {key: known[key] for key in self.train.keys if key in known}
        count = sum(map(len, its.values()))
        print(
            f"{count:,} of {sum(map(len, known.values())):,} negatives are of pictures that are learnt from", flush=True
        )
        return replace(self, negatives=its, files=(*self.files, path))

    def beside(self, root: Path, training: Training) -> "Selected":
        """Return the same with the side shards that a training names; errors as of `read`."""
        side = Side.open(root / training.reinforce.side, training.reinforce.digest)
        side.check(self.train, main_views(training.views, 1), training.trim)
        return replace(self, train=side.told(self.train), files=(*self.files, side.folder / SIDE), side=side)


def step_batches(
    stage: Stage, pool: Pool, vocabulary: Vocabulary, preprocess: Preprocess, training: Training, *, batch: int, seed: int,
    side: Side | None = None, negatives: Mapping[str, Sequence[str]] = NO_NEGATIVES,
) -> StepBatches:  # fmt: skip
    """Decode a pool, unless that was done before, and return its batches.

    Args:
        preprocess: decodes; its size is that of what a view shows.
        training: the recipe's section, which says what views show and in which order.
        side: what teachers said of the pool.
        negatives: key -> texts that its picture does not fit.
        batch: rows a step; where the order has fewer, such as one of each concept, it is as many, which is said, if that is the
            scale's number, and an error if somebody asked for it.

    Raises ConfigError for an order that does not fit the pool, and for a batch that was asked for and is larger than the data.
    """
    views, more = main_views(training.views, preprocess.size), more_views(training.views, preprocess.size)
    ordering = Distinct() if training.order is None else build(training.order, Ordering)
    read = picked(CAPTION, training.texts[CAPTION], pool.captions, pool.kinds, pool.languages)
    rows = Rows.of(pool, lambda: Captions(vocabulary, read.texts, training.long_captions).lengths(), read.often)
    if read.languages:
        shares = ", ".join(f"{lang} {share:.1%}" for lang, share in read.languages.items())
        print(f"of the texts that are drawn, {shares}", flush=True)
    order = ordering.checked(rows, batch, seed)  # before anything is decoded
    if order.batch < batch and (asked := batch_asked(stage.root)):
        raise ConfigError(
            f"{asked}: batch is {batch}, but {len(pool)} pictures with {order.batch} different captions are trained on, and a step "
            f"takes each of those once. A smaller batch has fewer wrong answers, and is another training. Set training.batch to "
            f"{order.batch} or less, bring more data, or leave it out to take what there is."
        )
    larger = replace(preprocess, size=round(preprocess.size * KEPT))
    pairs = decode_pairs(pool, larger, stage.progress, row_cache(stage.root), cores())
    if order.batch < batch:
        few = f"{order.batch} different captions are trained on, so a step takes {order.batch} pictures"
        print(f"{few}, not the {batch} that the scale asks for", flush=True)
    batches = StepBatches(
        pairs,
        vocabulary,
        views,
        order,
        seed=seed,
        long=training.long_captions,
        side=side.rows(pairs.keys) if side else None,
        texts=training.texts,
        more=more,
        negatives=negatives,
    )
    for name, mentions in batches.mentions.items():
        there = f"{len(mentions.tokens):,} mentions of concepts are read in texts called {name}"
        print(f"{there}, and {mentions.cut:,} lie beyond the context", flush=True)
    return batches


def watching(embedder: Embedder, val: Pool, progress: Progress, cache: RowCache | None = None) -> Watch:
    """Return what scores the model on the validation split: recall at 1, both ways. `cache` keeps its decoded pictures, as of `decode`."""
    pixels = as_tensor(decode(val, embedder.preprocess, 3, progress, cache, cores()))
    gallery = Gallery.of(val.keys, val.captions, val.concepts)

    def watch(model: torch.nn.Module) -> Mapping[str, float]:
        image, text = embedder.pixels_embedded(pixels), embedder.texts(gallery.texts)
        scores = tied(image @ text.T, twins(text))
        tied(scores.T, twins(image))  # into the same matrix, so that one product is enough
        return {f"val.{direction}.recall_at_1": v for direction, v in recall_at_1(scores, gallery.belongs).items()}

    return watch


def row_cache(root: Path, held_bytes: int = 0) -> RowCache:
    """Return the workspace's cache of decoded pictures, as of `cache_in`."""
    return cache_in(private(root, "cache", "decoded"), held_bytes)


def cache_in(folder: Path, held_bytes: int = 0) -> RowCache:
    """Return a cache of decoded pictures in a folder, `held_bytes` as of RowCache; DIPTYCH_DECODED_GB says how much it may hold, ConfigError where that is no number of GB."""
    said = os.environ.get("DIPTYCH_DECODED_GB", str(MOST_BYTES / 1e9))
    try:
        most_bytes = int(float(said) * 1e9)
    except (ValueError, OverflowError):
        most_bytes = 0
    if most_bytes <= 0:
        raise ConfigError(
            f"DIPTYCH_DECODED_GB is {said!r}, but must be the GB that decoded pictures may take, such as 20."
        )
    return RowCache(folder=folder, most_bytes=most_bytes, held_bytes=held_bytes)


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
