"""Write slot_wise.json: what open_clip's ClipLoss says of each slot of features that are kept beside it, the mean over slots.

    python tests/golden/make_slot_wise.py

open_clip's loss takes unit rows, so they are made so first; gradients are those of the raw features.
Axes: B = 5 pairs, K = 3 texts of each, D = 6 shared width.
"""

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch.nn.functional import normalize

PAIRS, TEXTS, WIDTH = 5, 3, 6


def main() -> None:
    """Draw, ask the peer, write."""
    draw = torch.Generator().manual_seed(10)
    cases = []
    for scale in (1.0, 14.285714, 100.0):
        image, text = (torch.randn(rows, WIDTH, generator=draw) for rows in (PAIRS, PAIRS * TEXTS))
        cases.append(case(image, text, scale))
    golden = {"peer": f"open_clip_torch {open_clip.__version__}, ClipLoss", "torch": torch.__version__, "cases": cases}
    text = json.dumps(golden).replace(', "', ',\n"').replace("[{", "[\n{")  # a line a name: a change can be read
    Path(__file__).with_name("slot_wise.json").write_text(text + "\n")


def case(image: torch.Tensor, text: torch.Tensor, scale: float) -> dict[str, Any]:
    """Return one input with the peer's loss and gradients; the texts of a picture lie one after the other."""
    image, text, slope = (one.clone().requires_grad_() for one in (image, text, torch.tensor(scale)))
    unit, slots = normalize(image, dim=-1), normalize(text, dim=-1).unflatten(0, (PAIRS, TEXTS)).unbind(1)
    loss = torch.stack([open_clip.ClipLoss()(unit, slot, slope) for slot in slots]).mean()
    by_image, by_text, by_scale = torch.autograd.grad(loss, (image, text, slope))
    return {
        "inputs": {"image": image.tolist(), "text": text.tolist(), "scale": scale}, "loss": loss.item(),
        "gradients": {"image": by_image.tolist(), "text": by_text.tolist(), "scale": by_scale.item()},
    }  # fmt: skip


if __name__ == "__main__":
    main()
