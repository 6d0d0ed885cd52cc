"""The table of a growing model in docs/growing.md, rendered from docs/benchmarks/stream.json.

python -m tests.benchmarks.stream_page     # write it there
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.environments import ROOT

PAGE, KEPT = ROOT / "docs/growing.md", ROOT / "docs/benchmarks/stream.json"
START, END = "<!-- stream: python -m tests.benchmarks.stream_page -->", "<!-- end of stream -->"
COLUMNS = {
    "pair →": "retrieval.pair.image_to_text.recall_at_1", "pair ←": "retrieval.pair.text_to_image.recall_at_1",
    "designer →": "retrieval.designer.image_to_text.recall_at_1", "concept →": "retrieval.concept.image_to_text.recall_at_1",
}  # fmt: skip


def main() -> None:
    """Write it into the page."""
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def with_table(page: str, kept: Path = KEPT) -> str:
    """Return the page with what was measured in the place for it."""
    shown = table(json.loads(kept.read_text(encoding="utf-8"))) if kept.exists() else "Not measured."
    return re.sub(f"(?s){START}\n.*?{END}", lambda _: f"{START}\n{shown}\n{END}", page)


def table(said: Mapping[str, Any]) -> str:
    """Return an arrival a row, the model trained anew below them, and what they were measured on, as Markdown."""
    head = (
        "",
        "pictures",
        "grew",
        "blocks: pictures, texts, shared",
        "parameters",
        "steps",
        "CPU-s",
        "of probes",
        *COLUMNS,
    )
    rows = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    for number, its in enumerate(said["arrivals"], 1):
        probes = sum(one["cpu_s"] for one in its["probes"].values())
        rows.append(
            row(f"arrival {number}", its, its["grew"] or "–", its["sizes"], f"{probes:.0f}" if its["probes"] else "–")
        )
    rows.append(row("anew", said["anew"], "–", said["arrivals"][-1]["sizes"], "–"))
    return "\n".join(rows) + f"\n\n{below(said)}"


def row(name: str, its: Mapping[str, Any], grew: str, sizes: Mapping[str, int], probes: str) -> str:
    """Return one row."""
    numbers = [f"{its['metrics'][metric]:.1%}" if metric in its["metrics"] else "–" for metric in COLUMNS.values()]
    blocks = ", ".join(str(count) for count in sizes.values())
    cells = (
        name,
        f"{its['pictures']:,}",
        grew,
        blocks,
        f"{its['parameters'] / 1e6:.2f} M",
        its["steps"],
        f"{its['cpu_s']:.0f}",
        probes,
        *numbers,
    )
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def below(said: Mapping[str, Any]) -> str:
    """Return what the numbers are, and how to have them again."""
    return (
        f"R@1 on three splits, picture → text or back; one run, seed {said['seed']}. The last arrival, probes and all, computed "
        f"{said['last_beside_anew']:.2f} of what the model trained anew did. Scale `{said['scale']}`, {said['source']['name']}, "
        f"{said['machine']}, commit `{said['commit'][:7]}`, by `{said['command']}`."
    )


if __name__ == "__main__":
    main()
