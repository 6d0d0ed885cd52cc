"""`diptych estimate RECIPE`: the time, the memory and the money that a run will take, said before it, from a little of each of its stages."""

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError
from components.recipes.names import RECIPES, nearest
from components.recipes.params import load_params
from components.stages.events import clock
from flows.choices import Choices, choose
from flows.estimating.scratch import scratch
from flows.estimating.tried import Taken, around, tried
from flows.machine import machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a run will take.

    Args:
        of: whose, in words.
        stages: in order.
        price_per_hour: of the machine, in any currency; None where nobody says.
        took_s: seconds that it took to find out.
    """

    of: str
    stages: Sequence[Taken]
    price_per_hour: float | None
    took_s: float

    @property
    def unknown(self) -> list[str]:
        """The stages of which nothing is known."""
        return [taken.stage for taken in self.stages if taken.seconds is None]

    @property
    def seconds(self) -> float | None:
        """Of all stages together; None where one is not known."""
        return None if self.unknown else sum(taken.seconds or 0.0 for taken in self.stages)

    @property
    def cost(self) -> float | None:
        """At `price_per_hour`."""
        return (
            None if self.price_per_hour is None or self.seconds is None else self.price_per_hour * self.seconds / 3600
        )

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        known = [taken.gpu_bytes for taken in self.stages if taken.gpu_bytes is not None]
        return {
            "of": self.of, "machine": machine(), "seconds": self.seconds, "cpu_s": None if self.unknown else sum(one.cpu_s for one in self.stages),
            "memory_bytes": max((taken.memory_bytes for taken in self.stages), default=0), "gpu_bytes": max(known, default=None),
            "price_per_hour": self.price_per_hour, "cost": self.cost, "unknown": self.unknown, "stages": [asdict(taken) for taken in self.stages],
            "took_s": round(self.took_s, 3),
        }  # fmt: skip

    def lines(self) -> Iterator[str]:
        """Yield what a person reads."""
        yield f"{self.of}, on {machine()}"
        wide = max(len(taken.stage) for taken in self.stages)
        for taken in self.stages:
            took = "?" if taken.seconds is None else clock(taken.seconds) if taken.seconds else "-"
            held = f"{taken.memory_bytes / 1e9:.1f} GB" if taken.memory_bytes else ""
            yield f"  {taken.stage:<{wide}}  {took:>8}  {held:>8}  {_how(taken)}"
        said = self.as_json()
        held = f"at most {said['memory_bytes'] / 1e9:.1f} GB of memory" if said["memory_bytes"] else ""
        gpu = f", {said['gpu_bytes'] / 1e9:.1f} GB of the GPU's" if said["gpu_bytes"] else ""
        if self.seconds is None:
            yield (
                f"not known: {', '.join(self.unknown)}. A step is tried on the data, which is not in yet. Bring it in by: dvc repro validate; or say "
                "--with-data, which reads it all for this alone."
            )
        elif not self.seconds:
            yield "nothing to do: all is up to date"
        else:
            money = "" if self.cost is None else f", {self.cost:.2f} at {self.price_per_hour:g} an hour"
            yield f"about {clock(self.seconds)}, {held}{gpu}{money}. It took {clock(self.took_s)} to find out."


def _how(taken: Taken) -> str:
    numbers = taken.numbers or {}
    if "step_s" not in numbers:
        return taken.how
    each = [f"{numbers['steps']:,} steps of {_time(numbers['step_s'])}"]
    each += [
        f"{numbers[f'{what}s']} {what}s of {_time(numbers[f'{what}_s'])}"
        for what in ("look", "checkpoint")
        if numbers[f"{what}s"]
    ]
    return f"{', '.join(each)}, {_time(numbers['once_s'])} once ({taken.how})"


def _time(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"


def estimate(root: Path, here: Path, choices: Choices, price_per_hour: float | None, with_data: bool) -> Estimate:
    """Return what `diptych run` with these choices will take; nothing in the workspace changes.

    Raises ConfigError for choices that could not be run, with the nearest name, and DiptychError when a stage fails.
    """
    check_price(price_per_hour)
    began, recipe = time.monotonic(), choices.recipe or ""
    known = sorted(path.stem for path in (root / RECIPES).glob("*.yaml"))
    if recipe not in known:
        raise ConfigError(f"there is no recipe {recipe!r}. {nearest(recipe, known, RECIPES)}")
    with scratch(root) as place:
        choose(place, choices, here)
        scale = load_params(place).scale
        stages = run_of(place, recipe, with_data)
    return Estimate(of=f"{recipe} at {scale}", stages=stages, price_per_hour=price_per_hour, took_s=time.monotonic() - began)  # fmt: skip


def run_of(place: Path, recipe: str, with_data: bool) -> list[Taken]:
    """Return what a run in a scratch workspace takes: the stages, and what is around them where there is anything to do."""
    stages = list(tried(place, recipe, with_data))
    worked = any(taken.seconds for taken in stages)
    return [*stages, around(place, recipe)] if worked else stages


def check_price(price_per_hour: float | None) -> None:
    """Raise ConfigError for a price that is none."""
    if price_per_hour is not None and not 0 <= price_per_hour < math.inf:
        raise ConfigError(f"--price-per-hour is {price_per_hour}, but must be a number, such as 2.5.")


def told(found: Estimate, as_json: bool) -> str:
    """Return what is printed."""
    return json.dumps(found.as_json()) if as_json else "\n".join(found.lines())
