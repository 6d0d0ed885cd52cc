"""What a race of the workspace has beside one's own pictures, and its steps with them: what its start learnt from, pictures of a source, or none."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.contracts.errors import ConfigError
from components.contracts.evaluator import Pictures
from components.contracts.progress import Progress
from components.data.sources.catalogue import build_source
from components.evaluation.embedding import Embedder
from components.finetuning.continued import UNKNOWN
from components.finetuning.labels.choice import Choice
from components.finetuning.raced import Race
from components.recipes.section import build
from components.stages.learnt import Learnt, digest_in, laid_at
from components.stages.raced import BATCH
from components.stages.racing_ways import CONTINUED, usual
from components.stages.recalled import Recall, general_pictures, known_by, makeable, without_those_of
from components.stages.selected import Selected
from components.stages.unasked import unasked
from components.training.numbers import Optimisation


@dataclass(frozen=True, slots=True, kw_only=True)
class BesideOwn:
    """What a race has.

    Args:
        ways: to tune, by name.
        batch: pairs a step.
        recall: general pictures; None where there are none.
        as_trained: by what training goes on.
        known: by what these pictures can be known again.
        rows: of these, where the start learnt from them; None where it did not.
    """

    ways: Sequence[str]
    batch: int
    recall: Recall | None = None
    as_trained: Optimisation = UNKNOWN
    known: Mapping[str, Any] = field(default_factory=dict)
    rows: pa.Table | None = None

    @classmethod
    def of(
        cls, race: Race, root: Path, start: Path, embedder: Embedder, selected: Selected, choice: Choice | None, *, measured: Sequence[Pictures], listed: Collection[str],
        scratch: Path, progress: Progress,
    ) -> "BesideOwn":  # fmt: skip
        """Return what a race asks for.

        Args:
            root: the workspace.
            start: the folder of the model that is adapted.
            choice: the labels that are told apart; None where captions are found.
            measured: pictures that it is chosen by or bound by, of which none is general.
            listed: digests of files and pixels that were taken down, or are one's own.
            scratch: as of `general_pictures`.

        Raises ConfigError where what the start learnt from is not what was laid in; else as of reading the pictures.
        """
        learnt = None if race.of_start is None else _laid_in(root, start, race.of_start)
        if isinstance(race.replay, str):
            fits = unasked(embedder, selected.train, selected.val, choice, race.ask)
            share, batch = fits or (0.0, BATCH)
            ways = (CONTINUED,) if fits else usual(0.0)
        else:
            share, batch, ways = race.replay, BATCH, tuple(race.ways or usual(race.replay))
        found = cls(
            ways=ways, batch=batch if race.batch is None else race.batch, as_trained=build(dict(race.as_trained), Optimisation) if race.as_trained else UNKNOWN,
        )  # fmt: skip
        if not (share or race.recall):
            return found
        general = learnt.pictures() if learnt else general_pictures(build_source(race.recalled), scratch, progress)
        left = without_those_of(general, measured, listed)
        recall = Recall(pool=left, weight=race.recall, share=share, views=makeable(learnt.views) if learnt else None)
        return replace(
            found, recall=recall, rows=learnt and learnt.rows(left.keys),
            known=known_by(learnt.selection if learnt else str(race.recalled["name"]), recall),
        )  # fmt: skip


def _laid_in(root: Path, start: Path, digest: str) -> Learnt:
    """Return what was laid in for a start; ConfigError where that is gone, or other pictures are there."""
    again = "Name the start again, by diptych adapt … --from …, and what is there is taken, or learn from your own alone: --replay 0"
    laid = laid_at(root, start)
    if laid is None or not laid.is_dir():
        where = f"in {laid.relative_to(root)} any more" if laid else "there any more"
        raise ConfigError(f"what {start.name} learnt from is not {where}, where the race was to take it from. {again}")
    if (found := digest_in(laid)) != digest:
        raise ConfigError(
            f"what {start.name} learnt from is known by {digest}, and what lies in {laid.relative_to(root)} is {found}: somebody changed it. {again}"
        )
    learnt = Learnt.of(start, root)
    assert learnt is not None
    return learnt
