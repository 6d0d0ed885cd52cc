"""How a race will go on, from its first heats: the same race, with heats that take what their steps were seen to take.

Which ways are left is decided by the scores of the first heats, since nobody knows better ones yet.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from components.finetuning.race import FIRST, Broken, Heat, race
from flows.estimating.pace import SETTLED, Mark, middle

UNBOUNDED = 10**9  # steps
_BROKE = "broke"  # in the place of all ways that did


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """What is to come.

    Args:
        heats: in order.
        least_s: seconds that the first heats took, below which no budget will do.
        steps: of a first heat.
        wished: whether there is no longer one because none is asked for, with time left.
        untuned: why no way that tunes ran, so that labels are told apart by those that tune nothing; "" where one did.
    """

    heats: Sequence[Heat]
    least_s: float
    steps: int = FIRST
    wished: bool = False
    untuned: str = ""

    @property
    def seconds(self) -> float:
        """Of all heats that are to come."""
        return sum(heat.seconds for heat in self.heats)

    @property
    def in_words(self) -> str:
        """What the budget has room for."""
        if self.untuned:
            return f"nothing is tuned: {self.untuned.removesuffix('.')}"
        if not self.heats:
            why = "as many as are asked for" if self.wished else "and no room for more"
            return f"{self.steps} steps of each way, {why}"
        rounds: dict[int, list[str]] = {}
        for heat in self.heats:
            rounds.setdefault(heat.steps, []).append(heat.name)
        return f"{self.steps} steps of each way, then " + ", ".join(
            f"{steps:,} steps of {_listed(names)}" for steps, names in rounds.items()
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        ahead = [{"name": heat.name, "steps": heat.steps, "seconds": round(heat.seconds, 3)} for heat in self.heats]
        return {"heats_ahead": ahead, "first_heats_s": round(self.least_s, 3)}


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def heats_ahead(
    heats: Sequence[Mapping[str, Any]], marks: Sequence[Mark], order: Sequence[str], budget_s: float, most: int, untuned: str = "",
    broken_s: float = 0.0,
) -> Ahead:  # fmt: skip
    """Return what comes after the first heats of a race.

    Args:
        heats: that were run, as the race wrote them down; those without steps tuned nothing.
        marks: of the process that ran them.
        order: in which ways are tried.
        budget_s: seconds for all heats.
        most: steps of the longest heat.
        untuned: what the race wrote down of why nothing was tuned, which is so of labels and a short budget.
        broken_s: seconds that ways took which ran out of memory or numbers.

    Raises ConfigError for a budget in which not each can be tried shortly; it says the least.
    """
    tried = {heat["name"]: Heat(**dict(heat)) for heat in heats if heat["steps"]}
    names = [name for name in order if name in tried]
    first = {name: tried[name] for name in names}  # a soup of them is none
    if not names:
        return Ahead(heats=[], least_s=0.0, untuned=untuned or "no way to tune took part")
    frozen = [
        heat for heat in heats if not heat["steps"] and " + " not in heat["name"]
    ]  # those on top of a tuning come behind the race
    others_s = sum(float(heat["seconds"]) for heat in frozen)
    a_step = dict(zip(names, paces(marks), strict=True))
    once = {name: max(0.0, first[name].seconds - first[name].steps * a_step[name]) for name in names}
    usual = median(once.values())  # the first heat imports what the others use

    def run(name: str, steps: int) -> Heat:
        if steps <= first[name].steps:
            return first[name]
        return replace(first[name], steps=steps, seconds=min(once[name], usual) + steps * a_step[name])

    def to_come(most: int) -> list[Heat]:
        ran: list[Heat] = []

        def noted(name: str, steps: int) -> Heat | Broken:
            if name == _BROKE:
                return Broken(seconds=broken_s)
            ran.append(heat := run(name, steps))
            return heat

        race([_BROKE, *names], noted, budget_s, most, others_s)
        return ran[len(names) :]

    steps = max(heat.steps for heat in first.values())
    ahead = to_come(most)
    wished = not ahead and (most <= steps or bool(to_come(UNBOUNDED)))
    least_s = sum(heat.seconds for heat in first.values()) + broken_s
    return Ahead(heats=ahead, least_s=least_s, steps=steps, wished=wished)


def paces(marks: Sequence[Mark]) -> list[float]:
    """Return the seconds of a step of each heat that came to its end, in their order, without its first steps and its last, in which the model is looked at."""
    heats: list[list[Mark]] = []
    for mark in marks:
        if mark.doing == "training":
            if mark.done == 1:
                heats.append([])
            heats[-1].append(mark)
    found = []
    for heat in heats:
        if heat[-1].done < heat[-1].total:
            continue  # this way ran out of memory or numbers
        its = [mark.at_s for mark in heat]
        took = [now - before for before, now in itertools.pairwise(its)]
        found.append(middle(took[SETTLED - 1 : -1] or took or [0.0]))
    return found
