"""Trainings with compiled towers, in a process of their own: `python compiling.py FOLDER` leaves one file of JSON.

What checks shapes in tests stands between torch and the towers, and nothing could be compiled.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from components.data.tokenizers import Vocabulary
from components.methods.clip import Clip
from components.models.dual_encoder import DualEncoder
from components.models.towers.image import ImageTower
from components.models.towers.text import TextTower
from components.objectives.softmax import SoftmaxLoss
from tests.components.training.ranks import SCALE, run

VIT = {"img_size": SCALE.pixels, "patch_size": 8, "embed_dim": 16, "depth": 1, "num_heads": 2}
CUT = 4
OPTIONS: dict[str, dict[str, Any]] = {"alone": {}, "in-parts": {"micro_batch": 4, "recompute": True}}


def vit(vocabulary: Vocabulary) -> Clip:
    """Two transformers without dropout, whose draws a compiled one makes in another order."""
    torch.manual_seed(5)
    text = TextTower(vocabulary=len(vocabulary), context=vocabulary.context, width=16, depth=1, heads=2)
    return Clip(DualEncoder(ImageTower("vit_tiny_patch16_224", VIT), text, width=16), SoftmaxLoss())


def graphs() -> int:
    """Return how many were made since it was last asked."""
    count = int(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    torch._dynamo.utils.counters.clear()
    return count


def main() -> None:
    """Train plain, then compiled with each option, and compiled until it is cut off, and on from there."""
    folder, told = Path(sys.argv[1]), {}
    told["plain"] = vars(run(vit, folder / "plain")) | {"graphs": graphs()}
    for name, option in OPTIONS.items():
        scale = replace(SCALE, compile="aot_eager", **option)
        told[name] = vars(run(vit, folder / name, scale=scale)) | {"graphs": graphs()}
    alone = replace(SCALE, compile="aot_eager")
    run(vit, folder / "cut", stop_at=CUT, scale=alone)
    torch._dynamo.reset()
    told["resumed"] = vars(run(vit, folder / "cut", scale=alone)) | {"graphs": graphs()}
    (folder / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()
