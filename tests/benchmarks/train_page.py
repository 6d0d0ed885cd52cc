"""The training's numbers in docs/training.md, rendered from docs/benchmarks/train.json and loop.json.

python -m tests.benchmarks.train_page     # write them there
"""

import json
import re
from pathlib import Path
from typing import Any

from tests.benchmarks.environments import ROOT

PAGE, KEPT = ROOT / "docs/training.md", ROOT / "docs/benchmarks"
START, END = "<!-- train: python -m tests.benchmarks.train_page -->", "<!-- end of train -->"
SIDES = {
    "ours fp32 cut": "ours, fp32",
    "ours fp32 padded": "ours, fp32, padded",
    "open_clip fp32 padded": "open_clip, fp32",
    "ours bf16 cut": "ours, bf16",
    "ours bf16 padded": "ours, bf16, padded",
    "open_clip amp_bf16 padded": "open_clip, amp_bf16",
}


def main() -> None:
    """Write the table into the page."""
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def with_table(page: str, kept: Path = KEPT) -> str:
    """Return the page with what was measured in the place for it."""
    train, loop = (json.loads((kept / f"{name}.json").read_text(encoding="utf-8")) for name in ("train", "loop"))
    shown = f"{table(train)}\n{said_of_loop(loop)}\n"
    return re.sub(f"(?s){START}\n.*?{END}", lambda _: f"{START}\n{shown}{END}", page)


def table(said: dict[str, Any]) -> str:
    """Return samples a CPU-second, a row a side, and what they were measured on, as Markdown."""
    theirs = [side for side in said["rates"] if side.startswith("open_clip")]
    rows = [
        "| | samples a CPU-second | " + " | ".join(f"beside {SIDES[side]}" for side in theirs) + " | losses apart |"
    ]
    rows.append("| --- |" + " --- |" * (len(theirs) + 2))
    for side, rate in said["rates"].items():
        times = [said["ratios"].get(f"{side} beside {peer}") for peer in theirs]
        cells = ["" if one is None else f"**{one:g}**" for one in times]
        rows.append(f"| {SIDES[side]} | {rate:g} | {' | '.join(cells)} | {said['losses_apart'][side]:.1g} |")
    return (
        "\n".join(rows) + "\n\n"
        f"Turns: {said['runs']}, of which these are the medians; a process and a core each, ratios within a turn. Losses apart: the "
        f"largest difference from open_clip's in fp32 over {said['steps']} steps, as a share of it. {said['peer_version']}, torch "
        f"{said['torch']} on both sides; commit `{said['commit']}`, {said['machine']}, by `{said['command']}`.\n"
    )


def said_of_loop(said: dict[str, Any]) -> str:
    """Return what the loop costs beside a bare one."""
    return (
        f"Beside a bare loop over the same steps (`python -m tests.benchmarks.loop`), ours takes {said['ours']:g} CPU-milliseconds a step where that "
        f"takes {said['peer']:g}: **{said['ratio']:g}** times ({said['lowest']:g} to {said['highest']:g}, {said['runs']} turns of {said['steps']} steps, "
        f"by `{said['command']}`, commit `{said['commit']}`). Both end in the same loss to the bit."
    )


if __name__ == "__main__":
    main()
