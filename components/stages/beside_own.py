"""What a race of the workspace has beside one's own pictures, and its steps with them: what its start learnt from, pictures of a source, or none."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError
from components.contracts.evaluator import Pictures
from components.contracts.progress import Progress
from components.data.sources.catalogue import build_source
from components.evaluation.embedding import Embedder
from components.finetuning.continued import UNKNOWN
from components.finetuning.labels.choice import Choice
from components.finetuning.raced import Race
from components.stages.learnt import LEARNT, Learnt, digest_in
from components.stages.raced import BATCH
from components.stages.racing_ways import CONTINUED, usual
from components.stages.recalled import Recall, general_pictures, known_by, without_those_of
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
        known: by what these pictures can be known again, their licences, and where lineage finds them.
    """

    ways: Sequence[str]
    batch: int
    recall: Recall | None = None
    as_trained: Optimisation = UNKNOWN
    known: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, race: Race, start: Path, embedder: Embedder, selected: Selected, choice: Choice | None, *, measured: Sequence[Pictures], listed: Collection[str],
        scratch: Path, progress: Progress,
    ) -> "BesideOwn":  # fmt: skip
        """Return what a race asks for.

        Args:
            start: the folder of the model that is adapted.
            choice: the labels that are told apart; None where captions are found.
            measured: pictures that it is chosen by or bound by, of which none is general.
            listed: digests of files and pixels that were taken down.
            scratch: as of `general_pictures`.

        Raises ConfigError where what the start learnt from is not what was laid in; else as of reading the pictures.
        """
        learnt = None if race.of_start is None else _laid_in(start, race.of_start)
        if isinstance(race.replay, str):
            fits = unasked(embedder, selected.train, selected.val, choice, race.ask)
            share, batch = fits or (0.0, BATCH)
            ways = (CONTINUED,) if fits else usual(0.0)
        else:
            share, batch, ways = race.replay, BATCH, tuple(race.ways or usual(race.replay))
        found = cls(
            ways=ways, batch=batch if race.batch is None else race.batch, as_trained=(learnt and learnt.optimisation) or UNKNOWN,
        )  # fmt: skip
        if not (share or race.recall):
            return found
        general = learnt.pictures() if learnt else general_pictures(build_source(race.recalled), scratch, progress)
        left = without_those_of(general, measured, listed)
        known = known_by(learnt.selection if learnt else str(race.recalled["name"]), share, left)
        if learnt:
            known |= {"licences": learnt.licences(left.keys), "origin": dict(learnt.origin)}
        return cls(
            ways=found.ways, batch=found.batch, recall=Recall(pool=left, weight=race.recall, share=share), as_trained=found.as_trained, known=known,
        )  # fmt: skip


def _laid_in(start: Path, digest: str) -> Learnt:
    """Return what lies beside a start; ConfigError where nothing does, or other pictures do."""
    again = "Adapt again, by diptych adapt … --from …, which lays in what is there, or learn from your own alone: --replay 0"
    learnt = Learnt.of(start) if (start / LEARNT).is_dir() else None
    if learnt is None:
        raise ConfigError(
            f"what {start.name} learnt from is not in {start / LEARNT} any more, where the race was to take it from. {again}"
        )
    if (found := digest_in(start / LEARNT)) != digest:
        raise ConfigError(
            f"what {start.name} learnt from is known by {digest}, and what lies in {start / LEARNT} is {found}: somebody changed it. {again}"
        )
    return learnt
