"""Encoders in int8 and in float16 beside float32, as `diptych export --variant` measures them: `python -m tests.benchmarks.variants --keep`.

Rows a second on one thread, the least cosine, and recall@10 of texts among the pictures of the package's index; in a workspace with a finished run, whose pictures are there.
Prints one JSON object as its last line; --keep writes it to docs/benchmarks/variants.json and its table into docs/interop.md.
"""

import argparse
import json
import os
import re
import shlex
import tempfile
import time
from pathlib import Path
from typing import Any

from components.serving.package import Package
from components.serving.repository import ENCODERS
from components.serving.variants import FASTER, NAMES
from components.serving.varied import each_tried
from infra.results import processor
from tests.benchmarks.environments import ROOT
from tests.benchmarks.loader import commit

KEPT_AT, PAGE = ROOT / "docs/benchmarks/variants.json", ROOT / "docs/interop.md"
RECIPE = "clip"


def measured(package: Package, root: Path) -> dict[str, Any]:
    """Return kind -> side -> what was measured."""
    graphs = {name: package.path / f"{name}.onnx" for name in ENCODERS}
    found: dict[str, Any] = {}
    for kind in FASTER:
        with tempfile.TemporaryDirectory() as scratch:
            found[kind] = {
                one.side: {
                    "times": round(one.times, 2), "cosine": round(one.cosine, 4), "recall_before": round(one.before, 4), "recall_after": round(one.after, 4),
                    "queries": one.queries, "offered": one.is_offered,
                }
                for one in each_tried(package, graphs, kind, root, Path(scratch))
            }  # fmt: skip
    return found


def page(said: dict[str, Any] | None) -> str:
    """Return the table of docs/interop.md."""
    lines = ["| | encoder | times as fast | least cosine | recall@10, before and after | |", "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    if said is None:
        return "\n".join([*lines, *(f"| {name} | both | *not measured* | | | |" for name in NAMES.values())])
    for kind, name in NAMES.items():
        for side, its in said["kinds"][kind].items():
            lines.append(
                f"| {name} | {side} | {its['times']} | {its['cosine']} | {its['recall_before']:.1%}, {its['recall_after']:.1%} of {its['queries']:,} texts | "
                f"{'taken' if its['offered'] else 'not offered'} |"
            )
    return "\n".join([*lines, "", f"`{said['command']}`, commit `{said['commit']}`, {said['machine']}."])


def with_numbers(text: str) -> str:
    """Return docs/interop.md with what was kept in the place for it."""
    shown = page(json.loads(KEPT_AT.read_text(encoding="utf-8")) if KEPT_AT.exists() else None)
    return re.sub(
        r"(?s)<!-- variants -->\n.*?\n<!-- /variants -->",
        lambda _: f"<!-- variants -->\n{shown}\n<!-- /variants -->",
        text,
    )


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=ROOT, help="with a finished run of --recipe")
    parser.add_argument("--recipe", default=RECIPE)
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(ROOT)}")
    given = parser.parse_args()
    root = given.workspace.resolve()
    where = "" if root == ROOT else f" --workspace {shlex.quote(str(given.workspace))}"
    recipe = "" if given.recipe == RECIPE else f" --recipe {shlex.quote(given.recipe)}"
    said = {
        "bench": "variants", "kinds": measured(Package.verify(root / "runs" / given.recipe / "package"), root), "date": time.strftime("%Y-%m-%d"),
        "commit": commit(), "machine": f"{os.cpu_count()} cores, {processor()}, no GPU", "command": f"python -m tests.benchmarks.variants{where}{recipe} --keep",
    }  # fmt: skip
    if given.keep:
        KEPT_AT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
        PAGE.write_text(with_numbers(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(json.dumps(said))


if __name__ == "__main__":
    main()
