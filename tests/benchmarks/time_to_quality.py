"""CPU-seconds until a training knows 40% of a held-out pool, beside open_clip_train and sentence-transformers.

    python -m tests.benchmarks.time_to_quality --runs 3            # on `pair`, which nothing was chosen by
    python -m tests.benchmarks.time_to_quality --split val --ablation

All sides: the emoji that the recipe `clip` is trained on, its image network, a text transformer of the same size with as many
tokens, batches of 256, one core, recall at 1 from picture to text looked at every 11 steps (an epoch). What counts is from the start of
the process to the look that reaches 40%: imports, decoding, batches and steps; looking does not. Each side has its own batches, views, loss,
optimizer and schedule, with the numbers of SIDES, which were chosen on `val`. They take turns, a seed a turn. Needs data/curated/clip,
which `dvc repro curate@clip` makes. --abreast runs the sides of a turn at the same time, so that what else the machine does weighs on
all alike. Prints one JSON object as its last line; --keep writes it to docs/benchmarks/time_to_quality.json.
"""

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from components.recipes.yaml_lines import overlay
from infra.results import processor
from tests.benchmarks.environments import PEERS, ROOT, python_of
from tests.benchmarks.loader import commit
from tests.benchmarks.quality_data import write
from tests.benchmarks.train import asked

KEPT_AT = ROOT / "docs/benchmarks/time_to_quality.json"
TARGET, EVERY, SIZES = 0.4, 11, (32, 40)
QUICK: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("quick.yaml").read_text(encoding="utf-8"))
SIDES: dict[str, dict[str, Any]] = {
    "ours": {"overrides": QUICK},
    "open_clip": {
        "pixels": 40, "arguments": ["--precision", "amp_bf16", "--lr", "2e-3", "--warmup", "22", "--epochs", "20"],
    },
    "sentence_transformers": {
        "pixels": 40, "arguments": {"bf16": True, "learning_rate": 2e-3, "warmup_steps": 0.1, "num_train_epochs": 20},
    },
}  # fmt: skip
SCRIPTS = {"open_clip": "open_clip_quality_side.py", "sentence_transformers": "sentence_transformers_side.py"}
_VIEWS = {
    "degrees": 8, "shift": 0.06, "zoom": [0.85, 1.15], "colour": 0.15, "grey": 0.1, "background": 0.2, "sketched": 0.15, "outlined": 0.35,
}  # fmt: skip
_ADAMW = {"optimizer": "adamw", "lr": 2e-3}
ABLATION: dict[str, dict[str, Any]] = {
    "all of it": {},
    "the recipe's views": {"training": {"views": _VIEWS}},
    "the recipe's rate and warm-up": {"training": {"optimisation": {"lr": 5e-3, "warmup": 0.1}}},
    "the recipe's 40 px": {"training": {"pixels": 40}},
    "AdamW": {"training": {"optimisation": _ADAMW}},
    "fp32": {"training": {"precision": "fp32"}},
}
"""What is put back, one at a time -> the numbers."""
Run = dict[str, Any]


def main() -> None:
    """Prepare, take turns, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=ROOT)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--split", default="pair", choices=["pair", "val"])
    parser.add_argument("--sides", nargs="+", default=list(SIDES), choices=list(SIDES))
    parser.add_argument("--ablation", action="store_true", help="ours alone, with one number put back at a time")
    parser.add_argument("--abreast", action="store_true", help="the sides of a turn at the same time")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(ROOT)}, or its ablation")
    given = parser.parse_args()
    if not {"ours"} < set(given.sides):
        parser.error("--sides needs ours and a peer: there is nothing to compare otherwise")
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    sides = ablated() if given.ablation else {side: SIDES[side] for side in given.sides}
    for peer in set(sides) & set(SCRIPTS):
        python_of(peer)
    turns: dict[str, list[Run]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as work:
        write(Path(work), given.workspace, SIZES)
        for seed in range(given.runs):
            with ThreadPoolExecutor(len(sides) if given.abreast else 1) as abreast:
                begun = [
                    abreast.submit(run, Path(work), given.workspace, given.split, seed, side, settings)
                    for side, settings in sides.items()
                ]
                for side, ran in zip(sides, begun, strict=True):
                    turns[side].append(ran.result())
                    print(f"{side}, seed {seed}: {json.dumps(turns[side][-1])}", file=sys.stderr)
    said = {
        **(compared if not given.ablation else alone)(turns), "split": given.split, "runs": given.runs,
        "machine": f"{os.cpu_count()} cores, {processor()}, no GPU", "date": time.strftime("%Y-%m-%d"),
        "command": f"python -m tests.benchmarks.time_to_quality --runs {given.runs}{' --abreast' if given.abreast else ''}", "commit": commit(),
    }  # fmt: skip
    if given.keep:
        KEPT_AT.write_text(json.dumps(kept_with(said, ablation=given.ablation), indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))


def run(work: Path, workspace: Path, split: str, seed: int, side: str, settings: Mapping[str, Any]) -> Run:
    """Train one side until it is there, or its steps are over."""
    given = json.dumps({**settings, "every": EVERY, "target": TARGET, "stop": True})
    if side in SCRIPTS:
        pool = f"{split}-{settings['pixels']}"
        said = asked([python_of(side), PEERS / SCRIPTS[side], work, pool, seed, given])
    else:
        said = asked([sys.executable, "-m", "tests.benchmarks.our_quality", workspace, work, split, seed, given])
    return json.loads(said.splitlines()[-1])


def ablated() -> dict[str, dict[str, Any]]:
    """Return our side with one thing put back at a time."""
    return {name: {"overrides": overlay(QUICK, numbers)} for name, numbers in ABLATION.items()}


def compared(turns: Mapping[str, Sequence[Run]]) -> dict[str, Any]:
    """Return the median of each side's CPU-seconds, with its lowest and highest, and how many times less ours are.

    A run that never gets there counts as longer than any other; where the median is such a one, there is no number.
    """
    sides = alone(turns)["sides"]
    ours = sides["ours"]["cpu_s"]
    ratios = {
        side: its["cpu_s"] and ours and round(its["cpu_s"] / ours, 2) for side, its in sides.items() if side != "ours"
    }
    nearest = min(ratios, key=lambda side: sides[side]["cpu_s"] or math.inf)
    return {
        "bench": "time_to_quality", "ratio": ratios[nearest], "ours": ours, "peer": sides[nearest]["cpu_s"],
        "peer_version": " ".join(next(iter(sides[nearest]["versions"].items()))),
        "unit": f"CPU-seconds to {TARGET:.0%} R@1, image to text", "ratios": ratios, "sides": sides,
    }  # fmt: skip


def alone(turns: Mapping[str, Sequence[Run]]) -> dict[str, Any]:
    """Return what each side took; see `compared`."""

    def of(runs: Sequence[Run]) -> dict[str, Any]:
        taken = sorted(math.inf if one["cpu_s"] is None else one["cpu_s"] for one in runs)
        named = {"cpu_s": statistics.median_high(taken), "lowest": taken[0], "highest": taken[-1]}
        return {
            **{name: None if math.isinf(value) else value for name, value in named.items()},
            "reached": sum(one["cpu_s"] is not None for one in runs), "steps": [one["steps"] for one in runs],
            "prepared_s": statistics.median(one["prepared_s"] for one in runs),
            "looking_s": statistics.median(one["looking_s"] for one in runs),
            "parameters": runs[0]["parameters"], "versions": runs[0]["versions"],
        }  # fmt: skip

    return {"sides": {side: of(runs) for side, runs in turns.items()}}


def kept_with(said: Mapping[str, Any], *, ablation: bool) -> dict[str, Any]:
    """Return what is kept: the comparison, and the ablation beside it, of which one is new."""
    kept = json.loads(KEPT_AT.read_text(encoding="utf-8")) if KEPT_AT.exists() else {}
    if ablation:
        return {**kept, "ablation": {**said, "command": f"{said['command']} --split {said['split']} --ablation"}}
    return {**said, **({"ablation": kept["ablation"]} if "ablation" in kept else {})}


if __name__ == "__main__":
    main()
