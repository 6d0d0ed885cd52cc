"""What the contrast of a large batch takes on a CPU: peak memory and time of one forward and backward, a process a case.

    python -m tests.benchmarks.contrast                          # 32,768 pairs of 512 numbers, in blocks of 256 rows
    python -m tests.benchmarks.contrast --pairs 4096 --whole     # the same losses with their square matrix beside it

Peak memory is the process's, Python, torch, features and gradients included. Prints one JSON object as its last line.
"""

import argparse
import json
import multiprocessing
import platform
import resource
import subprocess
import sys
import time
from typing import Any

import torch

from components.contracts.objective import Contrast
from components.objectives.sigmoid import SigmoidLoss
from components.objectives.softmax import SoftmaxLoss

LOSSES: dict[str, type[Contrast]] = {"softmax": SoftmaxLoss, "sigmoid": SigmoidLoss}


def measured(name: str, pairs: int, width: int, block: int | None) -> dict[str, Any]:
    """Return the loss, the gradients' norms, seconds and peak memory of this process."""
    draw = torch.Generator().manual_seed(0)
    image = torch.randn(pairs, width, generator=draw)
    text = torch.randn(pairs, width, generator=draw).add_(image).requires_grad_()
    inputs = {"image": image.requires_grad_(), "text": text, "scale": torch.tensor(14.0, requires_grad=True)}
    if LOSSES[name].wants_bias:
        inputs["bias"] = torch.tensor(-10.0, requires_grad=True)
    loss = LOSSES[name](block=block)  # type: ignore[call-arg]
    wall, cpu = time.perf_counter(), time.process_time()
    value = loss(**inputs)
    value.backward()
    return {
        "loss": value.item(), "gradients": {key: one.grad.norm().item() for key, one in inputs.items() if one.grad is not None},
        "wall_s": round(time.perf_counter() - wall, 1), "cpu_s": round(time.process_time() - cpu, 1),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 3),
    }  # fmt: skip


def main() -> None:
    """Measure each loss in a process of its own, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=32768)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--block", type=int, default=256)
    parser.add_argument("--losses", nargs="+", choices=sorted(LOSSES), default=sorted(LOSSES))
    parser.add_argument("--whole", action="store_true", help="without blocks too")
    given = parser.parse_args()
    cases = [(name, block) for name in given.losses for block in (given.block, *([None] if given.whole else []))]
    told = {}
    for name, block in cases:
        with multiprocessing.get_context("spawn").Pool(1) as alone:
            case = f"{name} {'whole' if block is None else f'in blocks of {block}'}"
            told[case] = alone.apply(measured, (name, given.pairs, given.width, block))
            print(case, json.dumps(told[case]), file=sys.stderr)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    machine = f"{torch.get_num_threads()} threads, {platform.processor() or platform.machine()}"
    print(json.dumps({
        "bench": "contrast", "pairs": given.pairs, "width": given.width, "cases": told, "torch": torch.__version__,
        "machine": machine, "commit": commit,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
