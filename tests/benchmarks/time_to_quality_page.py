"""The time to quality in docs/training.md, rendered from docs/benchmarks/time_to_quality.json.

python -m tests.benchmarks.time_to_quality_page     # write it there
"""

import json
import re
from pathlib import Path
from typing import Any

from tests.benchmarks.environments import ROOT
from tests.benchmarks.time_to_quality import SIDES

PAGE, KEPT = ROOT / "docs/training.md", ROOT / "docs/benchmarks/time_to_quality.json"
START, END = "<!-- quality: python -m tests.benchmarks.time_to_quality_page -->", "<!-- end of quality -->"
ENOUGH, MOST_CPU_S = 3.0, 70.0
"""How many times less than any peer, and CPU-seconds, that are asked for."""


def main() -> None:
    """Write the tables into the page."""
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def with_tables(page: str, kept: Path = KEPT) -> str:
    """Return the page with what was measured in the place for it."""
    said = json.loads(kept.read_text(encoding="utf-8"))
    shown = "\n".join([table(said), verdict(said), *([ablation(said["ablation"])] if "ablation" in said else [])])
    return re.sub(f"(?s){START}\n.*?{END}", lambda _: f"{START}\n{shown}{END}", page)


def table(said: dict[str, Any]) -> str:
    """Return CPU-seconds of each side, and what they were measured on, as Markdown."""
    rows = [
        "| | CPU-seconds to 40% R@1 | of it before the first step | steps | times ours |",
        "| --- | --- | --- | --- | --- |",
    ]
    for side, its in said["sides"].items():
        times = said["ratios"].get(side)
        cells = [named(side, its), spread(its, said["runs"]), f"{its['prepared_s']:g}", steps(its)]
        rows.append(f"| {' | '.join(cells)} | {'' if times is None else f'**{times:g}**'} |")
    rows += [f"| {side.replace('_', '-')} | not measured | | | |" for side in unmeasured(said)]
    counted = "One seed" if said["runs"] == 1 else f"Medians of {said['runs']} seeds (lowest to highest)"
    return (
        "\n".join(rows) + "\n\n"
        f"{counted}, on `{said['split']}`; a process and a core each, with other work beside them; commit `{said['commit']}`, {said['machine']}, by "
        f"`{said['command']}`.\n"
    )


def verdict(said: dict[str, Any]) -> str:
    """Return in words whether what is asked for holds, of the peers that were measured."""
    least, ours = said["ratio"], said["ours"]
    peers = " and ".join(named(side, its) for side, its in said["sides"].items() if side != "ours")
    times = "holds" if least is not None and least >= ENOUGH else "does not hold"
    seconds = "holds" if ours is not None and ours < MOST_CPU_S else "does not hold"
    return (
        f"At least {ENOUGH:g} times less than {peers}: **{times}**. Under {MOST_CPU_S:g} CPU-seconds: **{seconds}**.\n"
    )


def unmeasured(said: dict[str, Any]) -> list[str]:
    """Return the sides that took no part."""
    return [side for side in SIDES if side not in said["sides"]]


def ablation(said: dict[str, Any]) -> str:
    """Return what each number is worth."""
    rows = ["| put back | CPU-seconds to 40% R@1 | steps |", "| --- | --- | --- |"]
    rows += [f"| {name} | {spread(its, said['runs'])} | {steps(its)} |" for name, its in said["sides"].items()]
    return (
        "\n".join(rows) + "\n\n"
        f"On `{said['split']}`, {said['runs']} seed{'s' if said['runs'] > 1 else ''}, commit `{said['commit']}`, {said['machine']}, by `{said['command']}`.\n"
    )


def named(side: str, its: dict[str, Any]) -> str:
    """Return a side with its version."""
    return side if side == "ours" else " ".join(next(iter(its["versions"].items()))).replace("_torch", "_train")


def spread(its: dict[str, Any], runs: int) -> str:
    """Return median, lowest and highest; in words where the target was not reached."""
    if its["cpu_s"] is None:
        return f"not reached by {runs - its['reached']} of {runs}"
    if runs == 1:
        return f"{its['cpu_s']:g}"
    highest = "not reached" if its["highest"] is None else f"{its['highest']:g}"
    return f"{its['cpu_s']:g} ({its['lowest']:g}–{highest})"


def steps(its: dict[str, Any]) -> str:
    """Return the steps it took, a seed each."""
    return ", ".join("–" if one is None else str(one) for one in its["steps"])


if __name__ == "__main__":
    main()
