"""Write softmax.json: what open_clip's ClipLoss says of features that are kept beside it.

    python tests/golden/make_softmax.py

open_clip's loss takes unit rows, so they are made so first, as its own CLIP does; gradients are those of the raw features.
Axes: B = 6 pairs, D = 5 shared width.
"""

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch.nn.functional import normalize

PAIRS, WIDTH = 6, 5


def main() -> None:
    """Draw, ask the peer, write."""
    draw = torch.Generator().manual_seed(56)
    cases = [case(torch.randn(2, PAIRS, WIDTH, generator=draw), scale) for scale in (1.0, 14.285714, 100.0)]
    golden = {"peer": f"open_clip_torch {open_clip.__version__}, ClipLoss", "torch": torch.__version__, "cases": cases}
    text = json.dumps(golden).replace(', "', ',\n"').replace("[{", "[\n{")  # a line a name: a change can be read
    Path(__file__).with_name("softmax.json").write_text(text + "\n")


def case(features: torch.Tensor, scale: float) -> dict[str, Any]:
    """Return one input with the peer's loss and gradients."""
    image, text = (side.clone().requires_grad_() for side in features)
    slope = torch.tensor(scale, requires_grad=True)
    loss = open_clip.ClipLoss()(normalize(image, dim=-1), normalize(text, dim=-1), slope)
    by_image, by_text, by_scale = torch.autograd.grad(loss, (image, text, slope))
    inputs = {"image": image.tolist(), "text": text.tolist(), "scale": scale}
    gradients = {"image": by_image.tolist(), "text": by_text.tolist(), "scale": by_scale.item()}
    return {"inputs": inputs, "loss": loss.item(), "gradients": gradients}


if __name__ == "__main__":
    main()
