"""The numbers of a GPU in docs/training.md, rendered from docs/benchmarks/gpu-train.json; "not measured" where there is none.

python -m tests.benchmarks.gpu_page     # write them there
"""

import json
import re
from pathlib import Path
from typing import Any

from tests.benchmarks.environments import ROOT
from tests.benchmarks.gpu_train import KEPT_AT, MODELS

PAGE = ROOT / "docs/training.md"
START, END = "<!-- gpu: python -m tests.benchmarks.gpu_page -->", "<!-- end of gpu -->"
HEAD = (
    "| | batch | images/s | beside open_clip | MFU | open_clip's MFU | waited for data, from JPEGs |\n"
    + "| --- |"
    + " --- |" * 6
)


def main() -> None:
    """Write them into the page."""
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def with_table(page: str, kept: Path = KEPT_AT) -> str:
    """Return the page with what was measured in the place for it."""
    shown = table(json.loads(kept.read_text(encoding="utf-8"))) if kept.exists() else not_measured()
    return re.sub(f"(?s){START}\n.*?{END}", lambda _: f"{START}\n{shown}\n{END}", page)


def not_measured() -> str:
    """Return the table where there was no GPU yet."""
    return "\n".join([HEAD, *(f"| {name} |" + " not measured |" * 6 for name in MODELS)])


def table(said: dict[str, Any]) -> str:
    """Return a row a model, and what they were measured on, as Markdown."""
    rows = [
        f"| {name} | {one['batch']:,} | {one['ours']['images_per_s']:,.0f} | **{one['ratio']:g}** | **{one['ours']['mfu']:.1%}** | "
        f"{one['open_clip']['mfu']:.1%} | {one['from_shards']['data_wait']:.1%} |"
        for name, one in said["models"].items()
    ]
    versions = ", ".join(f"{name} {version}" for name, version in said["versions"].items())
    return "\n".join([HEAD, *rows]) + (
        f"\n\n{said['card']}, driver {said['driver']}, CUDA {said['cuda']}, {said['precision']}, {said['peak_flops'] / 1e12:,.0f} TFLOP/s taken for "
        f"all of it; {versions}; {said['steps']} steps, commit `{said['commit']}`, {said['date']}, by `{said['command']}`."
    )


if __name__ == "__main__":
    main()
