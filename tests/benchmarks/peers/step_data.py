"""The data of the training benchmark, drawn from a seed, and read by every side: `tests/benchmarks/train.py` says what for.

It needs torch and safetensors and nothing of ours. Captions are of 6 to 20 tokens, as those of web pictures mostly are, of which each
picture's colours depend: so there is something to learn.
Axes: S steps, B pairs, L tokens, P pixels a side.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

CONFIG = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": 64, "patch_size": 8, "width": 192, "layers": 4, "head_width": 64},
    "text_cfg": {"context_length": 77, "vocab_size": 4096, "width": 128, "heads": 2, "layers": 4},
}  # open_clip's words for a tiny CLIP: its sizes are halved until a step takes a CPU some hundred milliseconds
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
OPTIMISATION = {"lr": 1e-3, "weight_decay": 0.2, "betas": (0.9, 0.98), "eps": 1e-6, "warmup_steps": 5}
START, END = 4094, 4095


def draw(steps: int, batch: int) -> dict[str, Tensor]:
    """Return pixels uint8 [S B 3 P P] and ids int64 [S B L], padded with 0 to the context."""
    generator = torch.Generator().manual_seed(0)
    size, length = CONFIG["vision_cfg"]["image_size"], CONFIG["text_cfg"]["context_length"]  # type: ignore[index]
    words = torch.randint(1, 256, (steps, batch, 20), generator=generator)
    lengths = torch.randint(4, 19, (steps, batch), generator=generator)
    ids = torch.zeros(steps, batch, length, dtype=torch.int64)
    place = torch.arange(length)
    inside = place[None, None] < lengths[..., None]
    ids[..., 1:20] = torch.where(inside[..., :19], words[..., :19], 0)
    ids[..., 0] = START
    ids.scatter_(2, lengths[..., None] + 1, END)
    colours = words[..., :3, None, None].float()
    noise = torch.randint(0, 96, (steps, batch, 3, size, size), generator=generator)
    return {"pixels": (colours * 0.6 + noise).clamp(0, 255).to(torch.uint8), "ids": ids}


def write(folder: Path, steps: int, batch: int) -> None:
    """Write data.safetensors."""
    save_file(draw(steps, batch), folder / "data.safetensors")


def read(folder: Path) -> tuple[Tensor, Tensor]:
    """Return pixels as floats in [0, 1], and ids."""
    data = load_file(folder / "data.safetensors")
    return data["pixels"].float() / 255, data["ids"]
