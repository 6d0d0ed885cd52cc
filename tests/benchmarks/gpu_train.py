"""Training on a GPU beside open_clip's model and loss: images a second, MFU, and the wait for data: `python -m tests.benchmarks.gpu_train`.

Needs no server and no network. For each model, ViT-B/32 and ViT-B/16 at open_clip's sizes, in bf16: the batch is found by doubling until
memory runs out, of either side, and is 0.9 of the largest that has room for both. Then both sides make the same steps on a batch that
lies on the device, and ours trains from JPEGs in tars, views on the device (tests/benchmarks/gpu_sides.py). Prints one JSON object as its last line,
with card, driver and versions; --keep writes it to docs/benchmarks/gpu-train.json, which docs/training.md shows.

Where torch sees no GPU it says so and ends with 3. `--tiny --device cpu` goes the same way through a model of toy size: it shows that the script
works and measures nothing.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from components.training.device import precision
from components.training.receipts import peak_flops
from tests.benchmarks import gpu_sides
from tests.benchmarks.environments import ROOT
from tests.benchmarks.gpu_sides import Config

KEPT_AT = ROOT / "docs/benchmarks/gpu-train.json"
NO_GPU = 3
MODELS = ("ViT-B-32", "ViT-B-16")
SHARE = 0.9  # of the largest batch that has room
Side = Callable[[int, int], gpu_sides.Timed]
"""Takes batch and steps."""
TINY = {
    "embed_dim": 32, "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 64, "layers": 1, "head_width": 32},
    "text_cfg": {"context_length": 16, "vocab_size": 1024, "width": 64, "heads": 2, "layers": 1},
}  # fmt: skip
TINY_MOST, TINY_STEPS = 8, 8


def main(argv: list[str] | None = None) -> int:
    """Measure each model, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(MODELS), help="names of open_clip's configs")
    parser.add_argument("--steps", type=int, default=60, help="a quarter of which is not timed (60)")
    parser.add_argument("--first", type=int, default=256, help="the batch that doubling begins with (256)")
    parser.add_argument("--workers", type=int, default=8, help="processes that make batches (8)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument(
        "--tiny", action="store_true", help="a toy in place of the models, to see whether the script works"
    )
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(ROOT)}")
    given = parser.parse_args(argv)
    if given.device == "cpu" and not given.tiny:
        parser.error(
            "--device cpu is for --tiny: a model of this size takes a CPU minutes a step, and what is asked for is a GPU's number."
        )
    if given.keep and given.tiny:
        parser.error("--keep is for what was measured, and --tiny measures nothing.")
    if given.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before torch looks
    elif not torch.cuda.is_available():
        print(
            f"this measures a GPU, and torch {torch.__version__} sees none here, so nothing was measured. Run it where nvidia-smi shows one, "
            "with a torch built for CUDA; --tiny --device cpu goes through the script without.",
            file=sys.stderr, flush=True,
        )  # fmt: skip
        return NO_GPU
    steps, workers = (TINY_STEPS, 0) if given.tiny else (given.steps, given.workers)
    models = {"tiny": TINY} if given.tiny else {name: config_of(name) for name in given.models}
    first, most = (TINY_MOST // 2, TINY_MOST) if given.tiny else (given.first, None)
    told = {name: measured(config, steps, first, most, workers, given.device) for name, config in models.items()}
    said = {
        "bench": "gpu_train",
        "models": told,
        "steps": steps,
        "command": "python -m tests.benchmarks.gpu_train",
        **machine(given.device),
    }
    if given.keep:
        KEPT_AT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))
    return 0


def config_of(name: str) -> Config:
    """Return open_clip's config of a model."""
    import open_clip

    found = open_clip.get_model_config(name)
    if found is None:
        raise SystemExit(f"open_clip has no config {name!r}. It has {', '.join(open_clip.list_models()[:8])}, ...")
    return found


def measured(config: Config, steps: int, first: int, most: int | None, workers: int, device: str) -> dict[str, Any]:
    """Return what both sides take of one model."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        sides: dict[str, Side] = {
            "ours": lambda batch, steps: gpu_sides.ours(config, batch, steps, device, folder),
            "open_clip": lambda batch, steps: gpu_sides.open_clip(config, batch, steps, device),
        }
        largest = {name: doubled(partial(has_room, side), first, most) for name, side in sides.items()}
        batch = chosen(min(largest.values()), most)
        print(f"largest batch {largest}, taken {batch}", file=sys.stderr, flush=True)
        told: dict[str, Any] = {"batch": batch, "largest": largest}
        for name, side in sides.items():
            timed = gpu_sides.attempted(partial(side, batch, steps))  # which gives back what it held
            if timed is None:
                raise RuntimeError(
                    f"{name} has no room for a batch of {batch}, which had some for fewer steps. Give a smaller --first."
                )
            told[name] = timed.as_json()
            print(name, json.dumps(told[name]), file=sys.stderr, flush=True)
        told["ratio"] = round(told["ours"]["images_per_s"] / told["open_clip"]["images_per_s"], 3)
        told["from_shards"] = gpu_sides.from_shards(config, batch, steps, workers, folder)
        print("from shards", json.dumps(told["from_shards"]), file=sys.stderr, flush=True)
    return told


def has_room(side: Side, batch: int) -> bool:
    """Return whether a side makes a few steps of such a batch."""
    return gpu_sides.attempted(partial(side, batch, 4)) is not None


def doubled(fits: Callable[[int], bool], first: int, most: int | None) -> int:
    """Return the largest of first, 2 first, 4 first, ... that fits, no more than `most`; RuntimeError when the first does not."""
    batch = 0
    while (most is None or max(first, 2 * batch) <= most) and fits(max(first, 2 * batch)):
        batch = max(first, 2 * batch)
    if not batch:
        raise RuntimeError(f"there is no room for a batch of {first}. Begin with less: --first {max(first // 4, 8)}")
    return batch


def chosen(largest: int, most: int | None) -> int:
    """Return the batch to measure with: 0.9 of the largest, in eights; the largest where memory did not end the search."""
    return largest if largest == most else int(largest * SHARE) // 8 * 8 or largest


def machine(device: str) -> dict[str, Any]:
    """Return card, driver, versions, and what the card can do."""
    numbers = precision("auto")
    card = torch.cuda.get_device_name() if device == "cuda" else f"no GPU, {platform.machine()}"
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    driver = said_by(asked).splitlines()[:1] if device == "cuda" else []
    return {
        "card": card, "driver": driver[0] if driver else "unknown", "cuda": torch.version.cuda, "precision": numbers,
        "peak_flops": peak_flops(numbers), "date": time.strftime("%Y-%m-%d"),
        "versions": {name: version(name) for name in ("torch", "open_clip_torch", "lightning", "timm")},
        "commit": said_by(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]).strip() or "unknown",
    }  # fmt: skip


def said_by(command: list[str]) -> str:
    """Return what a command prints, "" where it is not there or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
