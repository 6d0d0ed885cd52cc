"""The general pictures that `diptych adapt --to` learns from, or recalls, beside one's own: those that are named, those that the start learnt from, or drawn scenes."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contracts.errors import ConfigError, DataError
from flows.adapt_pools import HEATS

if TYPE_CHECKING:
    from components.contracts.progress import Progress
    from components.data.selection import Pool
    from components.evaluation.embedding import Embedder
    from components.stages.recalled import Recall
    from components.training.numbers import Optimisation
    from flows.adapt import Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What is learnt from beside one's own pictures, and how.

    Args:
        replay: share of a step's pairs that are general pictures.
        batch: pairs a step.
        ways: to tune, by name.
        named: where general pictures come from; empty where there are none.
        pool: of these.
        unasked: whether nobody said that they are to be learnt from.
        as_trained: what the start was trained by, with which training goes on; None where nobody knows.
        views: what general pictures go through that are learnt from again, as the start's recipe has it; None for what one's own do.
    """

    replay: float
    batch: int
    ways: tuple[str, ...]
    named: str = ""
    pool: "Pool | None" = None
    unasked: bool = False
    as_trained: "Optimisation | None" = None
    views: "Mapping[str, Any] | None" = None

    @classmethod
    def of(cls, asked: "Asked", here: Path, out: Path, told: "Progress") -> "Beside":
        """Return what is asked for; where nobody says what becomes of general pictures, and what the start learnt from is at hand, its training goes on with these.

        Raises what reading the pictures raises that are named.
        """
        from components.data.sources.catalogue import build_source
        from components.finetuning.raced import SCENES
        from components.stages.learnt import Learnt
        from components.stages.racing_ways import CONTINUED
        from components.stages.recalled import general_pictures, without_those_of
        from flows.data.check import source_of

        plain = cls.said(asked)
        unsaid = asked.replay is None and not asked.recall and not asked.ways
        recalls = bool(asked.recall or plain.replay)
        try:
            learnt = (
                Learnt.of(asked.start, root_of(asked.start)) if unsaid or recalls or CONTINUED in plain.ways else None
            )
            if learnt is not None:
                plain = replace(plain, as_trained=learnt.optimisation)
                if not asked.recalled and (unsaid or recalls):
                    left = without_those_of(learnt.pictures(), [], _taken_down(learnt.owner))
                    plain = replace(plain, named=learnt.selection, pool=left, views=learnt.views)
        except DataError as err:  # taken down, others were brought in since, or there is no record that could be read
            print(
                f"what {asked.start} learnt from is not all there any more, so it is not learnt from again: {err}",
                file=sys.stderr,
            )
        if plain.pool is not None:
            return replace(plain, ways=(CONTINUED,), unasked=True) if unsaid else plain
        if not recalls:
            return plain
        source = source_of(asked.recalled, here) if asked.recalled else build_source(SCENES)
        return replace(plain, named=asked.recalled or "scenes", pool=general_pictures(source, out / HEATS, told))

    @classmethod
    def said(cls, asked: "Asked") -> "Beside":
        """Return what is asked for in words, or is usual."""
        from components.stages.raced import BATCH
        from components.stages.racing_ways import usual

        share = asked.replay or 0.0
        batch = BATCH if asked.batch is None else asked.batch
        return cls(replay=share, batch=batch, ways=tuple(asked.ways) or usual(share))

    def fit(self, asked: "Asked", pools: "Mapping[str, Pool]", embedder: "Embedder") -> "Beside":
        """Return what of it these pictures are for: where nobody asked for it, captions and labels each have their steps, and beside captions of another language the start's own are not replayed."""
        from components.finetuning.labels.choice import choice_of
        from components.stages.unasked import unasked

        if not self.unasked:
            return self
        train, val = pools["train"], pools["val"]
        found = unasked(embedder, train, val, choice_of({"train": train, "val": val}, asked.ask), asked.ask)
        if found is None:
            return Beside.said(asked)
        return replace(self, replay=found[0], batch=found[1] if asked.batch is None else asked.batch)

    def recall(self, weight: float) -> "Recall | None":
        """Return it as a race takes it."""
        from components.stages.recalled import Recall, makeable

        if self.pool is None:
            return None
        return Recall(pool=self.pool, weight=weight, share=self.replay, views=makeable(self.views))


def _taken_down(owner: Path | None) -> frozenset[str]:
    """Return the digests that must not be used any more where pictures lie, though they still do until the workspace is run again."""
    from components.validation.takedown import LIST, read_takedown

    listed = owner and owner / LIST
    return read_takedown(listed).digests if listed and listed.is_file() else frozenset()


def root_of(start: Path) -> Path | None:
    """Return the workspace that a model lies in; None where that is none."""
    from flows.run import find_root

    try:
        return find_root(start.resolve())
    except ConfigError:
        return None
