"""Training beside open_clip_train: samples a CPU-second, and whether both learn alike: `python -m tests.benchmarks.train --runs 3`.

One tiny CLIP (tests/benchmarks/peers/step_data.py), its weights drawn by open_clip and imported by us; the same batches in memory,
optimizer, schedule and loss. Each side runs its own loop in a process of its own, one core, and they take turns. Of ours there are
captions as we make them, cut to the longest of the batch, and as open_clip pads them, always to the context; in fp32, and in bf16
where the chip multiplies in it, beside open_clip in its fp32 and its amp_bf16. Prints one JSON object as its last line; --keep
writes it to docs/benchmarks/train.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from components.training.device import multiplies_in_bf16
from infra.results import processor
from tests.benchmarks.environments import PEERS, ROOT, python_of
from tests.benchmarks.loader import commit
from tests.benchmarks.peers import step_data

KEPT_AT = ROOT / "docs/benchmarks/train.json"
Side = tuple[str, str, str]
"""Whose, in which precision, and how captions lie."""
FP32: tuple[Side, ...] = (("ours", "fp32", "cut"), ("ours", "fp32", "padded"), ("open_clip", "fp32", "padded"))
BF16: tuple[Side, ...] = (("ours", "bf16", "cut"), ("ours", "bf16", "padded"), ("open_clip", "amp_bf16", "padded"))
Run = dict[str, Any]


def main() -> None:
    """Draw, take turns, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(ROOT)}")
    given = parser.parse_args()
    python_of("open_clip")
    turns: dict[Side, list[Run]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        step_data.write(folder, given.steps, given.batch)
        peer(folder, "weights")
        for _ in range(given.runs):
            for side in (*FP32, *(BF16 if multiplies_in_bf16() else ())):
                turns[side].append(run(folder, side))
                print(f"{' '.join(side)}: {turns[side][-1]['cpu_s']:.1f} CPU-s", file=sys.stderr)
    said = compared(turns, (given.steps - 1) * given.batch) | {
        "batch": given.batch, "steps": given.steps, "runs": given.runs, "model": step_data.CONFIG,
        "machine": f"{os.cpu_count()} cores, {processor()}, no GPU", "date": time.strftime("%Y-%m-%d"),
        "command": f"python -m tests.benchmarks.train --runs {given.runs}", "commit": commit(),
    }  # fmt: skip
    if given.keep:
        KEPT_AT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))


def run(folder: Path, side: Side) -> Run:
    """Train one side from the same weights."""
    whose, precision, captions = side
    if whose == "ours":
        said = asked([sys.executable, "-m", "tests.benchmarks.our_train", folder, precision, captions])
    else:
        said = peer(folder, precision)
    return json.loads(said.splitlines()[-1])


def peer(folder: Path, what: str) -> str:
    """Ask open_clip's side."""
    return asked([python_of("open_clip"), PEERS / "open_clip_train_side.py", folder, what])


def asked(command: list[Any]) -> str:
    """Return what a side prints; RuntimeError with what it said when it fails."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    ran = subprocess.run([*map(str, command)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} failed, so there is nothing to compare:\n{ran.stderr}")
    return ran.stdout


def compared(turns: dict[Side, list[Run]], samples: int) -> dict[str, Any]:
    """Return each side's samples a CPU-second, ours beside open_clip's, and how far the losses come apart."""
    rates = {side: statistics.median(samples / run["cpu_s"] for run in runs) for side, runs in turns.items()}
    theirs = FP32[-1]
    losses = {side: runs[0]["losses"] for side, runs in turns.items()}
    apart = {
        " ".join(side): max(abs(one - other) / other for one, other in zip(losses[side], losses[theirs], strict=True))
        for side in turns
    }
    ratios = {
        f"{' '.join(side)} beside {' '.join(beside)}": round(
            statistics.median(
                its["cpu_s"] / mine["cpu_s"] for mine, its in zip(turns[side], turns[beside], strict=True)
            ), 2
        )
        for beside in (FP32[-1], BF16[-1]) if beside in turns
        for side in turns if side[0] == "ours"
    }  # fmt: skip
    return {
        "bench": "train", "ratio": ratios["ours fp32 cut beside open_clip fp32 padded"], "ours": round(rates[FP32[0]], 1),
        "peer": round(rates[theirs], 1), "peer_version": f"open_clip_train {turns[theirs][0]['versions']['open_clip_torch']}",
        "unit": "samples a CPU-second, fp32", "ratios": ratios, "rates": {" ".join(side): round(rate, 1) for side, rate in rates.items()},
        "losses_apart": {name: float(f"{value:.2g}") for name, value in apart.items()},
        "losses": {" ".join(side): [round(loss[at], 5) for at in (0, len(loss) // 2, -1)] for side, loss in losses.items()},
        "torch": turns[theirs][0]["versions"]["torch"],
    }  # fmt: skip


if __name__ == "__main__":
    main()
