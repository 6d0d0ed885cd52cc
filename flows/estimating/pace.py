"""What a training will take, from a short one: what a step, a look at the validation split and a checkpoint cost, and what is there but once.

Each is multiplied by how often it will happen. The first of each is slower than those that follow (operations are counted, memory is taken, files are made), so it
counts as what is there but once.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

SETTLED = 2  # steps, after which one is as the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An event of a stage, and when it came.

    Args:
        at_s: by the clock that is looked at, since the stage was started.
        doing: what is counted, such as `training`.
        done: of it.
        total: of it.
    """

    at_s: float
    doing: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How often what is done.

    Args:
        steps: of a training.
        watch_every: steps between two looks; the last step has one always.
        checkpoint_every: steps between two checkpoints; the last step has none.
    """

    steps: int
    watch_every: int
    checkpoint_every: int

    @property
    def looks(self) -> list[int]:
        """The steps with a look at the validation split."""
        return [step for step in range(1, self.steps + 1) if step % self.watch_every == 0 or step == self.steps]

    @property
    def checkpoints(self) -> list[int]:
        """The steps with a checkpoint."""
        return list(range(self.checkpoint_every, self.steps, self.checkpoint_every))

    def shortened(self, steps: int) -> "Plan":
        """Return one of so many steps, 24 or more, in which three looks and three checkpoints fall on steps of their own; itself where it is no longer."""
        if steps >= self.steps:
            return self
        return Plan(steps=steps, watch_every=steps // 3, checkpoint_every=steps // 5 + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a training takes, in seconds of one clock.

    Args:
        fixed: what is there but once: start, reading, decoding, the first of everything, writing.
        step: a step.
        look: a look at the validation split.
        checkpoint: a checkpoint.
    """

    fixed: float
    step: float
    look: float
    checkpoint: float

    @classmethod
    def of(cls, marks: Iterable[Mark], plan: Plan, whole_s: float) -> "Pace":
        """Return the pace of a training that had this plan, all of it having taken `whole_s`; ValueError for marks that are not those of its steps."""
        ends = [mark.at_s for mark in marks if mark.doing == "training"]
        if len(ends) != plan.steps:
            raise ValueError(f"{len(ends)} steps were told of, and {plan.steps} were planned")
        took = {step: now - before for step, (before, now) in enumerate(itertools.pairwise(ends), 2)}
        special = {*plan.looks, *plan.checkpoints}
        plain = [took[step] for step in took if step > SETTLED and step not in special]
        step = middle(plain or list(took.values()) or [whole_s])
        look = _beyond(step, [took.get(at, step) for at in plan.looks])
        checkpoint = _beyond(step, [took.get(at, step) for at in plan.checkpoints])
        often = plan.steps * step + len(plan.looks) * look + len(plan.checkpoints) * checkpoint
        return cls(fixed=max(0.0, whole_s - often), step=step, look=look, checkpoint=checkpoint)

    def seconds(self, plan: Plan) -> float:
        """Return what a training of that plan takes."""
        return (
            self.fixed + plan.steps * self.step + len(plan.looks) * self.look + len(plan.checkpoints) * self.checkpoint
        )

    def with_fixed(self, fixed: float) -> "Pace":
        """Return the same with another start and end."""
        return Pace(fixed=fixed, step=self.step, look=self.look, checkpoint=self.checkpoint)


def _beyond(step: float, took: Sequence[float]) -> float:
    """Return what steps took more than a plain one; the first does not count where there are more."""
    return max(0.0, fmean(took[1:] or took) - step) if took else 0.0


def middle(values: Sequence[float]) -> float:
    """Return the mean of the middle half, so that what something else did to a few of them does not count."""
    ordered, quarter = sorted(values), len(values) // 4
    return fmean(ordered[quarter : len(ordered) - quarter])
