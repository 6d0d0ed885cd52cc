"""The numbers of spot machines in docs/training.md, rendered from docs/benchmarks/goodput.json.

python -m tests.benchmarks.goodput_page     # write them there
"""

import json
import re
from pathlib import Path
from typing import Any

from tests.benchmarks.environments import ROOT

PAGE, KEPT = ROOT / "docs/training.md", ROOT / "docs/benchmarks/goodput.json"
START, END = "<!-- goodput: python -m tests.benchmarks.goodput_page -->", "<!-- end of goodput -->"


def main() -> None:
    """Write them into the page."""
    PAGE.write_text(with_numbers(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def with_numbers(page: str, kept: Path = KEPT) -> str:
    """Return the page with what was measured in the place for it."""
    shown = said(json.loads(kept.read_text(encoding="utf-8"))) if kept.exists() else "What it keeps is not measured."
    return re.sub(f"(?s){START}\n.*?{END}", lambda _: f"{START}\n{shown}\n{END}", page)


def said(kept: dict[str, Any]) -> str:
    """Return what an interruption took, and which share of the time is left at which interval."""
    parts, lost = kept["parts_s"], kept["lost_s"]
    how = f"every {kept['every_s']:g} s" if kept["every_s"] else f"after every {kept['after_steps']} steps"
    return (
        f"An interruption takes **{kept['cpu_s']:g} CPU-seconds**, DVC and Python included: every 5 minutes that leaves **{kept['at_300_s_by_cpu']:.1%}** of "
        f"the time on a machine that does nothing else. No step was made twice, and curves and weights are those of an undisturbed run, byte for byte.\n\n"
        f"By the clock, on {kept['machine']}, it took {lost['median']:g} s, the median of {kept['interruptions']} ({lost['most']:g} at most): "
        f"{parts['going']:g} to end the step, save and go, {parts['starting']:g} until the stage works again, {parts['loading']:g} until its "
        f"first step. With a SIGTERM {how} {kept['goodput']:.1%} of the time was kept; every 5 minutes that leaves {kept['at_300_s']:.1%}. "
        f"{kept['steps']} steps of the recipe clip at laptop, {kept['precision']}; commit `{kept['commit']}`, by `{kept['command']}`."
    )


if __name__ == "__main__":
    main()
