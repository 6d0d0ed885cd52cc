"""The tables of results in README.md and docs/results.md, rendered from docs/results/*.json, which hold what a run measured and where.

python -m infra.results --record     # keep what runs/clip/evaluate measured, with machine and versions; --recipe names another
python -m infra.results --write      # render the kept results into both pages
python -m infra.results              # say whether the pages show them as they are, exit 1 if not
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from components.evaluation.wording import further_rows, percent, retrieval_rows
from components.stages.whence import processor

README, PAGE = "README.md", "docs/results.md"  # in brief, and all of it
START, END = "<!-- results: python -m infra.results --write -->", "<!-- end of results -->"

WHOLE = "clip"  # the recipe of `make run`, of which all is shown
BESIDE = {  # metric -> what the side-by-side table calls it
    "retrieval.val.image_to_text.recall_at_1": "val, picture → name",
    "retrieval.pair.image_to_text.recall_at_1": "pair, picture → name",
    "retrieval.pair.text_to_image.recall_at_1": "pair, name → picture",
    "retrieval.designer.image_to_text.recall_at_1": "designer, picture → name",
    "retrieval.concept.image_to_text.recall_at_1": "concept, picture → name",
    "zero_shot.pair.category.top1": "pair, category",
}


def main() -> int:
    """Record, write or compare, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="keep the results of the last run")
    parser.add_argument("--write", action="store_true", help=f"render into {README} and {PAGE}")
    parser.add_argument("--recipe", default="clip", help="whose results to record (clip)")
    arguments, root = parser.parse_args(), Path.cwd()
    if arguments.record:
        path = root / "docs" / "results" / f"{arguments.recipe}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(measured(root, arguments.recipe), indent=2) + "\n", encoding="utf-8")
    kept = {path.stem: json.loads(path.read_text()) for path in sorted((root / "docs/results").glob("*.json"))}
    whole = kept[WHOLE]
    shown = {
        README: f"{in_brief(whole)}\n{measured_on(whole)}\n{side_by_side(list(kept.values()))}",
        PAGE: f"{in_full(whole)}\n{measured_on(whole)}",
    }
    stale = [name for name, its in shown.items() if not _shows(root / name, its, arguments.write)]
    for name in stale:
        print(f"{name} does not show docs/results as they are; run: python -m infra.results --write")
    return 1 if stale else 0


def _shows(page: Path, shown: str, write: bool) -> bool:
    """Return whether a page has this between its marks, where it is written if asked for."""
    text = page.read_text(encoding="utf-8")
    wanted, places = re.subn(f"(?s){START}\n.*?{END}", lambda _: f"{START}\n{shown}{END}", text)
    if places != 1:
        raise SystemExit(f"{page.name} has {places} places for results; it needs one: {START} to {END}.")
    if write:
        page.write_text(wanted, encoding="utf-8")
    return write or wanted == text


def measured(root: Path, recipe: str) -> dict[str, Any]:
    """Return what the last run of a recipe measured, and on what."""
    run = root / "runs" / recipe
    training = json.loads((run / "pretrain/metrics.json").read_text())
    manifest = json.loads((run / "package/manifest.json").read_text())
    spent = {
        stage: {"wall_s": round(outcome["seconds"]), "cpu_s": round(outcome["cpu_seconds"])}
        for path in sorted((root / ".diptych/outcome").glob("*.json"))
        if (outcome := json.loads(path.read_text())).get("state") == "ran" and (stage := outcome.get("stage"))
    }
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True)
    return {
        "recipe": recipe,
        "command": "make run" if recipe == WHOLE else f"diptych run --recipe {recipe}",
        "commit": commit.stdout.strip(),
        "machine": f"{os.cpu_count()} cores, {processor()}, no GPU",
        "versions": {name: version(name) for name in ("torch", "lightning", "timm", "onnxruntime")},
        "package": manifest["digest"],
        "data": manifest["data_digest"],
        "training": training,
        "spent": spent,
        "metrics": json.loads((run / "evaluate/metrics.json").read_text()),
    }


def in_brief(result: Mapping[str, Any]) -> str:
    """Return a row for each split, recall at 1 both ways with the baseline beside it, as Markdown."""
    by_split: dict[str, list[dict[str, Any]]] = {}
    for row in retrieval_rows(result["metrics"], ks=(1,)):
        by_split.setdefault(f"{row['split']}: {row['means']}", []).append(row)
    (directions,) = {tuple(row["direction"] for row in rows) for rows in by_split.values()}
    lines = [
        " | ".join([
            f"| {split}", *(f"**{percent(row['value'])}** ({percent(row['baseline'])})" for row in rows), percent(rows[0]["chance"]), f"{rows[0]['n']:,} |",
        ])
        for split, rows in by_split.items()
    ]  # fmt: skip
    head = f"| R@1, and the baseline's | {' | '.join(directions)} | chance | queries |"
    return "\n".join([head, f"|{' --- |' * (len(directions) + 3)}", *lines, ""])


def in_full(result: Mapping[str, Any]) -> str:
    """Return a row for each number, as Markdown."""
    rows = [
        f"| {row['split']}: {row['means']} | {row['direction']} | R@{row['k']} | **{percent(row['value'])}** "
        f"| {percent(row['baseline'])} | {percent(row['chance'])} | {row['n']:,} |"
        for row in retrieval_rows(result["metrics"])
    ]
    further = [
        f"| {row['asked']} | {row['split']} | **{row['value']}** | {row['baseline']} | {row['chance']} | {row['n']:,} "
        f"| {row['method']} |"
        for row in further_rows(result["metrics"])
    ]
    if further:
        head = (
            "| what else | split | model | baseline | chance | n | how |\n| --- | --- | --- | --- | --- | --- | --- |"
        )
        rows += ["", head, *further]
    head = "| split | direction | | model | baseline | chance | queries |\n| --- | --- | --- | --- | --- | --- | --- |"
    return "\n".join([head, *rows, ""])


def measured_on(result: Mapping[str, Any]) -> str:
    """Return by what run, from what, on what machine, and what the baseline is."""
    training, spent = result["training"], result["spent"]
    stages = ", ".join(f"{stage} {took['wall_s']} s" for stage, took in spent.items())
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    return (
        f"Recipe `{result['recipe']}`, one run of `{result['command']}` at commit `{result['commit'][:10]}`: "
        f"{training['pictures']:,} pictures, {training['samples']:,} samples, {training['parameters'] / 1e6:.1f} M "
        f"parameters, {training['precision']}, {training['timing']['samples_per_s']:,.0f} samples/s on "
        f"{result['machine']} ({versions}). Wall time by stage: {stages}. The baseline gives a picture the name of the "
        "training picture nearest to it by edges and colours (HOG and a thumbnail).\n"
    )


def side_by_side(results: Sequence[Mapping[str, Any]]) -> str:
    """Return a table of all recipes that were measured, and what each was measured on, as Markdown."""
    rows = [
        f"| `{one['recipe']}` | "
        + " | ".join(
            percent(one["metrics"][name]["value"]) if name in one["metrics"] else "not measured" for name in BESIDE
        )
        + f" | {one['training']['samples']:,} | {one['machine']} | `{one['commit'][:10]}` |"
        for one in results
    ]
    lines = "| --- " * (len(BESIDE) + 4) + "|"
    return (
        f"Recipes side by side, R@1 and top-1 of one run each, seed 0 (`docs/results/`):\n\n"
        f"| recipe | {' | '.join(BESIDE.values())} | samples | machine | commit |\n{lines}\n" + "\n".join(rows) + "\n"
    )


if __name__ == "__main__":
    sys.exit(main())
