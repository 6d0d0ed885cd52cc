"""Which of several tunings is worth its time: all run shortly, the better half twice as long, until one is left.

Source: Jamieson and Talwalkar 2016, arXiv:1502.07943, section 3 (successive halving). Differs: a heat begins anew with a schedule of its own length, since a rate
that has not come down yet says little of where a tuning ends; and the length of the heats follows from what a step was measured to take, so that all end
within the time there is.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from components.contracts.errors import ConfigError

FIRST = 8  # steps of the heats that measure how long a step takes
SPARE = 0.8  # of the time that is left is planned with
PROMPT_SHARE = 0.1  # of the budget, at most, that a soft prompt learns for, which is before the race


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """A tuning that was run.

    Args:
        name: whose.
        steps: that it took.
        score: on the validation split, higher is better.
        seconds: by the clock, from its start to its score; of one that was stopped and went on, those behind its checkpoint and those from there on.
    """

    name: str
    steps: int
    score: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A heat that came to nothing.

    Args:
        seconds: that it took all the same, as of Heat.
    """

    seconds: float


def race(
    names: Sequence[str], run: Callable[[str, int], Heat | Broken], budget_s: float, most: int, spent_s: float = 0.0
) -> list[Heat]:
    """Return all heats in their order, of which the last is the winner's longest; none where nobody could be tuned.

    Args:
        names: who takes part, the first of equals is preferred.
        run: tunes one of them from the start for so many steps; Broken where it cannot, and that one is out, with the heats that it had.
        budget_s: seconds for all heats, those that broke among them, and for what was before them.
        most: steps of the longest heat.
        spent_s: seconds of the budget that ways which tune nothing took before.

    Raises ConfigError for a budget in which not each can be tried shortly; it says the least. ValueError for nobody.
    """
    if not names:
        raise ValueError("a race of nobody has no winner")
    heats: list[Heat] = []
    broken_s = 0.0
    for place, name in enumerate(names, 1):
        if isinstance(heat := run(name, min(FIRST, most)), Broken):
            broken_s += heat.seconds
            continue
        heats.append(heat)
        spent, ways = sum(heat.seconds for heat in heats), len(heats) + len(names) - place
        least = spent * ways / len(heats)
        if least > budget_s - spent_s - broken_s:
            raise too_short(budget_s, least, ways, heats[0].steps, spent_s, broken_s)
    if not heats:
        return []
    left, first = [heat.name for heat in heats], heats[0].steps
    a_step = {heat.name: heat.seconds / heat.steps for heat in heats}
    left_s = budget_s - spent_s - broken_s - sum(heat.seconds for heat in heats)
    steps = planned(list(a_step.values()), SPARE * left_s, most)
    now = heats
    while True:
        if steps > first:  # a shorter one says no more than that
            now = [
                heat for name in left if isinstance(heat := run(name, steps), Heat)
            ]  # one that breaks takes no longer than was planned
            out = set(left) - {heat.name for heat in now}
            heats = [heat for heat in [*heats, *now] if heat.name not in out]
            left = [name for name in left if name not in out]
        if len(left) <= 1:
            break
        best = sorted(now, key=lambda heat: heat.score, reverse=True)[: math.ceil(len(left) / 2)]
        left = [name for name in left if name in {heat.name for heat in best}]
        now = [heat for heat in now if heat.name in left]
        steps = min(2 * steps, most)
    if not heats:
        return []
    longest = max(heat.steps for heat in heats)
    last = max((heat for heat in heats if heat.steps == longest), key=lambda heat: heat.score)
    return [*(heat for heat in heats if heat is not last), last]


def too_short(
    budget_s: float, least_s: float, ways: int, steps: int, spent_s: float = 0.0, broken_s: float = 0.0
) -> ConfigError:
    """Return the error for a budget in which not each way can be tried.

    Args:
        budget_s: seconds that there are.
        least_s: seconds that the first heats of all take, as far as is known.
        ways: that take part.
        steps: of a first heat.
        spent_s: seconds of the budget that ways which tune nothing took before. Of a longer budget they may take PROMPT_SHARE more.
        broken_s: seconds of it that heats took which broke.
    """
    of = (("ways that tune nothing", spent_s), ("ways that broke", broken_s))
    taken = " and ".join(f"{who} took {shortly(its)}" for who, its in of if its)
    taken = f", of which {taken}" if taken else ""
    asked_s = spent_s + broken_s + least_s / SPARE
    asked_s = asked_s / (1 - PROMPT_SHARE) if spent_s else asked_s
    return ConfigError(
        f"there are {shortly(budget_s)}{taken}, but to try each of {ways} ways for {steps} steps takes about {shortly(least_s)}. Give at least "
        f"{at_least(asked_s)}, or fewer ways."
    )


def shortly(seconds: float) -> str:
    """Return `0.01 s`, `4.2 s`, `95 s` or `3.5 minutes`."""
    if seconds >= 120:
        return f"{seconds / 60:.1f} minutes"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"


def at_least(seconds: float) -> str:
    """Return `4 s` or `3 minutes`, rounded up."""
    return f"{math.ceil(seconds / 60)} minutes" if seconds > 120 else f"{max(1, math.ceil(seconds))} s"


def planned(a_step: Sequence[float], left_s: float, most: int) -> int:
    """Return the steps of the first round, with which all rounds end within the time, whoever is left of them.

    Args:
        a_step: seconds that a step of each takes.
        left_s: seconds.
        most: steps of the last round.
    """
    slowest, rounds = sorted(a_step, reverse=True), 0
    cost = sum(slowest)  # of all rounds, in seconds for a step of the first
    while len(slowest) > 1:
        slowest, rounds = slowest[: math.ceil(len(slowest) / 2)], rounds + 1
        cost += 2**rounds * sum(slowest)
    return min(int(left_s / cost), most // 2**rounds)
