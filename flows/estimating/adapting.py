"""`diptych estimate adapt PICTURES --from MODEL`: what adapting will take, and which heats the budget has room for, from the first heats of its race."""

import json
import sys
import tempfile
import time
from pathlib import Path

from components.stages.place import private
from flows.adapt_here import MICRO, RECIPE, Here, laid_in, micro_clip, set_in
from flows.choices import Choices, choose
from flows.estimating.clocked import clocked
from flows.estimating.estimate import Estimate, check_price, run_of
from flows.estimating.heats_ahead import heats_ahead
from flows.estimating.scratch import scratch
from flows.estimating.tried import Taken, raced
from flows.run import find_root

CODE = Path(__file__).parents[2]


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
        start = laid_in(asked.start, place, here, asked.network)
        sets = {folder.name: {"path": set_in(folder, place)} for folder in asked.sets}
        laid = Taken(stage="start", seconds=time.monotonic() - began, how="laid in")
        choices = Choices(recipe=RECIPE, data=asked.data, start=start, race=asked.race, sets=sets)
        choose(place, choices, here)
        return [laid, *run_of(place, RECIPE, with_data=True)]


def _outside(asked: Here, here: Path) -> Taken:
    from components.finetuning.race import FIRST
    from components.recipes.hub import model_place
    from components.stages.raced import most_of, ways

    data = here / asked.data
    with tempfile.TemporaryDirectory() as made:
        out = Path(made) / "adapted"
        numbers = {
            "--budget": asked.race["budget_s"],
            "--batch": asked.race["batch"],
            "--most-steps": FIRST,
            "--to": out,
        }
        command = [sys.executable, "-m", "flows.cli", "adapt", str(data if data.exists() else asked.data)]
        command += ["--from", str(model_place(asked.start, here, asked.network))]
        command += [str(part) for one in numbers.items() for part in one]
        command += [part for folder in asked.sets for part in ("--set", str(folder))]
        found = clocked(private(Path(made)).parent, command, "adapt", PYTHONPATH=str(CODE))
        done = json.loads((out / "adapted.json").read_text(encoding="utf-8"))
    ahead = heats_ahead(
        done["heats"], found.marks, list(ways()), asked.race["budget_s"], most_of(done["pictures"]["train"], done["batch"])
    )  # fmt: skip
    return raced("adapt", found, ahead)
