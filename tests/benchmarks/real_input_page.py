"""The tables of recipes on real input in docs/proofs.md, one a comparison: rendered from docs/benchmarks/real-input.json and what stands beside it.

python -m tests.benchmarks.real_input_page     # write it there
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.environments import ROOT

PAGE = ROOT / "docs/proofs.md"
KEPT = tuple(ROOT / "docs/benchmarks" / f"{name}.json" for name in ("real-input", "real-input-later"))
START, END = "<!-- real input: python -m tests.benchmarks.real_input_page -->", "<!-- end of real input -->"
COLUMNS = {
    "pair →": "retrieval.pair.image_to_text.recall_at_1", "pair ←": "retrieval.pair.text_to_image.recall_at_1",
    "designer →": "retrieval.designer.image_to_text.recall_at_1", "concept →": "retrieval.concept.image_to_text.recall_at_1",
    "9 categories": "zero_shot.pair.category.top1", "gap": "features.val.modality_gap",
}  # fmt: skip
EQUAL = 0.1  # how far a row's computing may be from the first's


def main() -> None:
    """Write it into the page."""
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def with_table(page: str, kept: Sequence[Path] = KEPT) -> str:
    """Return the page with what was measured in the place for it."""
    shown = (
        "\n\n".join(table(json.loads(one.read_text(encoding="utf-8"))) for one in kept if one.exists())
        or "Not measured."
    )
    return re.sub(f"(?s){START}\n.*?{END}", lambda _: f"{START}\n{shown}\n{END}", page)


def table(said: Mapping[str, Any]) -> str:
    """Return the rows, chance below them, and what they were measured on, as Markdown."""
    rows = [f"| | steps | CPU-s | {' | '.join(COLUMNS)} |", "| --- " * (3 + len(COLUMNS)) + "|"]
    for name, its in said["rows"].items():
        steps, spent = " + ".join(str(one) for one in its["steps"]), sum(its["cpu_s"]) / len(its["cpu_s"])
        cells = [measured(metric, its["metrics"].get(metric)) for metric in COLUMNS.values()]
        rows.append(f"| `{name}` | {steps} | {spent:.0f} | {' | '.join(cells)} |")
    first = next(iter(said["rows"].values()))["metrics"]
    chance = ["–" if metric not in first else number(metric, first[metric]["chance"]) for metric in COLUMNS.values()]
    rows.append(f"| chance | | | {' | '.join(chance)} |")
    return "\n".join(rows) + f"\n\n{below(said)}"


def below(said: Mapping[str, Any]) -> str:
    """Return what the numbers are, whether the computing was equal, and how to have them again."""
    far = [
        f"`{name}` {its['beside_first']:.2f}"
        for name, its in said["rows"].items()
        if abs(its["beside_first"] - 1) > EQUAL
    ]
    equal = (
        f"more than {EQUAL:.0%} from the first's computing: {', '.join(far)}"
        if far
        else f"all within {EQUAL:.0%} of the first's CPU-seconds"
    )
    return (
        f"Mean of {len(said['seeds'])} seeds and its {said['confidence']:.0%} interval (± half of it); R@1 on three splits, picture → text or back, top-1 of "
        f"categories on `pair`, modality gap on `val`. CPU-s is what the training computed; {equal}. Scale `{said['scale']}`, {said['source']['name']}, "
        f"{said['machine']}, commit `{said['commit'][:7]}`, by `{said['command']}`."
    )  # fmt: skip


def measured(metric: str, one: Mapping[str, float] | None) -> str:
    """Return mean and half of the interval; a dash for what was not measured."""
    return "–" if one is None else f"{number(metric, one['mean'])} ± {number(metric, (one['high'] - one['low']) / 2)}"


def number(metric: str, value: float) -> str:
    """Return a share as percent, a distance as it is."""
    return f"{value:.2f}" if metric.endswith("gap") else f"{value:.1%}"


if __name__ == "__main__":
    main()
