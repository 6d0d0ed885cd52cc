"""`diptych estimate adapt PICTURES --from MODEL`: what adapting will take, and which heats the budget has room for, from the first heats of its race."""

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.stages.place import private
from flows.adapt_here import RECIPE, Here, choices_of
from flows.choices import choose
from flows.estimating.clocked import clocked
from flows.estimating.estimate import Estimate, check_price, run_of
from flows.estimating.heats_ahead import heats_ahead
from flows.estimating.scratch import scratch
from flows.estimating.tried import Taken, raced
from flows.given_start import MICRO, given_start, micro_clip
from flows.run import find_root

CODE = Path(__file__).parents[2]
OPTIONS = ("most_lost", "batch", "ask", "augment", "recall", "replay")


def estimate_adapt(asked: Here, here: Path, outside: bool, price_per_hour: float | None) -> Estimate:
    """Return what `diptych adapt` will take: in the workspace that `here` is in, or outside of one, as with --to; nothing of it is kept.

    Pictures are brought in whole, since they are few. Raises what `diptych adapt` raises for what cannot be read, a budget that is too short too.
    """
    check_price(price_per_hour)
    began = time.monotonic()
    stages = [_outside(asked, here)] if outside else _inside(asked, here)
    return Estimate(of="adapt", stages=stages, price_per_hour=price_per_hour, took_s=time.monotonic() - began)


def _inside(asked: Here, here: Path) -> list[Taken]:
    root = find_root(here)
    if asked.start == MICRO:
        micro_clip(root)  # trained once, and kept, so that the run will not
    with scratch(root) as place:
        began = time.monotonic()
        choices = choices_of(asked, place, here)
        laid = Taken(stage="start", seconds=time.monotonic() - began, how="laid in")
        choose(place, choices, here)
        return [laid, *run_of(place, RECIPE, with_data=True)]


def _outside(asked: Here, here: Path) -> Taken:
    from components.finetuning.race import FIRST
    from components.stages.race_steps import most_of
    from components.stages.racing_ways import ways

    data = here / asked.data
    with tempfile.TemporaryDirectory() as made:
        out = Path(made) / "adapted"
        most = int(asked.race.get("most_steps", 0))
        command = [sys.executable, "-m", "flows.cli", "adapt", str(data if data.exists() else asked.data)]
        command += ["--from", str(given_start(asked.start, here, asked.network)[0]), "--to", str(out)]
        command += [*as_said(asked.race, here), "--most-steps", str(min(FIRST, most or FIRST))]
        command += [part for number in asked.numbers for part in ("--seed", number.removeprefix("seed="))]
        command += [part for folder in asked.sets for part in ("--set", str(folder))]
        found = clocked(private(Path(made)).parent, command, "adapt", PYTHONPATH=str(CODE))
        done = json.loads((out / "adapted.json").read_text(encoding="utf-8"))
    ahead = heats_ahead(
        done["heats"], found.marks, list(ways()), asked.race["budget_s"], most_of(done["pictures"]["train"] + done["general"], done["batch"], most),
        untuned=done["without"].get("tuning", ""), broken_s=done["broken_s"],
    )  # fmt: skip
    return raced("adapt", found, ahead)


def as_said(race: Mapping[str, Any], here: Path) -> list[str]:
    """Return what is said of a race as its command takes it elsewhere, but for the steps of its longest heat."""
    given = {"budget": race["budget_s"], **{name: race[name] for name in OPTIONS if name in race}}
    if "recalled" in race:
        said = race["recalled"]["name"]
        given["recalled"] = here / said if (here / said).exists() else said
    words = [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    return words + [part for way in race.get("ways", ()) for part in ("--way", way)]
