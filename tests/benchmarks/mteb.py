"""`diptych evaluate` beside mteb: the same checkpoint of open_clip and the same sets, by mteb's own tasks, where both measure one thing.

    python -m tests.benchmarks.mteb --json docs/benchmarks/mteb.json

Sets and model are those of clip_benchmark.py, but with one template a class, as mteb's zero-shot tasks ask by one text. Both measure top-1 accuracy, recall meaned over
the classes, and whether a right answer is among the first k (`hit_rate_at_k` there; its `recall_at_k` of a picture is the share of its captions that are
found, which is another thing). Its ndcg and map have no counterpart. CPU-seconds are of the whole command, one turn. Prints one JSON object as its last line.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from components.data.synthetic.words import COLOURS
from tests.benchmarks.clip_benchmark import KS, draw_sets, make_model, took
from tests.benchmarks.environments import python_of

SIDE = Path(__file__).with_name("peers") / "mteb_side.py"
TEMPLATE = "a photo of a {c}."
WAYS = {"text_to_image": "TextToImage", "image_to_text": "ImageToText"}
THEIRS = {
    "zero_shot.kinds.class.top1": ("Kinds", "accuracy"),
    "zero_shot.kinds.class.mean_per_class": ("Kinds", "recall"),
    **{f"retrieval.said.{way}.recall_at_{k}": (task, f"hit_rate_at_{k}") for way, task in WAYS.items() for k in KS},
}


def main() -> None:
    """Draw, train, run both, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1_000, help="of each set (1000)")
    parser.add_argument("--steps", type=int, default=150, help="that the model is trained for (150)")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder, model = Path(place), Path(place) / "model"
        sets = draw_sets(folder, given.pictures, len(COLOURS), templates=(TEMPLATE,))
        made = make_model(model, None, sets, given.steps)
        told = {"bench": "mteb", "pictures": given.pictures, "model": f"small, {given.steps} steps", "parameters": made}
        told |= side_by_side(model, {name: sets[name] for name in ("kinds", "said")}, folder)
    told |= {
        "machine": f"{len(os.sched_getaffinity(0))} cores used, {platform.processor() or platform.machine()}",
        "torch": torch.__version__,
    }
    told["commit"] = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    if given.json:
        given.json.write_text(json.dumps(told, indent=2) + "\n")
    print(json.dumps(told))


def side_by_side(model: Path, sets: Mapping[str, Path], folder: Path) -> dict[str, Any]:
    """Return both sides' numbers, the largest difference, and seconds by set."""
    python = python_of("mteb")
    ours: dict[str, float] = {}
    theirs: dict[str, dict[str, float]] = {}
    spent: dict[str, dict[str, float]] = {}
    for name, where in sets.items():
        asked = [
            sys.executable,
            "-m",
            "flows.cli",
            "evaluate",
            model,
            "--set",
            where,
            "--to",
            folder / "ours",
            "--k",
            *KS,
        ]
        file = folder / f"theirs-{name}.json"
        spent[name] = {
            "ours": round(took(asked), 1),
            "theirs": round(took([python, SIDE, "eval", where, model, file]), 1),
        }
        metrics = json.loads((folder / "ours" / name / "metrics.json").read_text())
        ours |= {key: its["value"] for key, its in metrics.items()}
        theirs |= json.loads(file.read_text())
    numbers = {name: {"ours": ours[name], "theirs": theirs[task][key]} for name, (task, key) in THEIRS.items()}
    versions = subprocess.run([python, SIDE, "versions"], capture_output=True, text=True, check=True).stdout
    return {
        "numbers": numbers, "largest_difference": max(abs(its["ours"] - its["theirs"]) for its in numbers.values()), "cpu_s": spent,
        "versions": json.loads(versions),
    }  # fmt: skip


if __name__ == "__main__":
    main()
