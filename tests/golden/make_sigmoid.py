"""Write sigmoid.json: what open_clip's SigLipLoss says of features that are kept beside it.

    python tests/golden/make_sigmoid.py

open_clip's loss takes unit rows, so they are made so first, as its own model does; gradients are those of the raw features.
Axes: B = 6 pairs, D = 5 shared width.
"""

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.loss import SigLipLoss
from torch.nn.functional import normalize

PAIRS, WIDTH = 6, 5


def main() -> None:
    """Draw, ask the peer, write."""
    draw = torch.Generator().manual_seed(2303)
    numbers = ((10.0, -10.0), (1.0, 0.0), (100.0, -16.5))  # the start of the paper, none, and a hard push
    cases = [case(torch.randn(2, PAIRS, WIDTH, generator=draw), scale, bias) for scale, bias in numbers]
    golden = {
        "peer": f"open_clip_torch {open_clip.__version__}, SigLipLoss",
        "torch": torch.__version__,
        "cases": cases,
    }
    text = json.dumps(golden).replace(', "', ',\n"').replace("[{", "[\n{")  # a line a name: a change can be read
    Path(__file__).with_name("sigmoid.json").write_text(text + "\n")


def case(features: torch.Tensor, scale: float, bias: float) -> dict[str, Any]:
    """Return one input with the peer's loss and gradients."""
    inputs = {"image": features[0], "text": features[1], "scale": torch.tensor(scale), "bias": torch.tensor(bias)}
    inputs = {name: value.clone().requires_grad_() for name, value in inputs.items()}
    image, text, slope, offset = inputs.values()
    loss = SigLipLoss()(normalize(image, dim=-1), normalize(text, dim=-1), slope, offset)
    gradients = torch.autograd.grad(loss, tuple(inputs.values()))
    return {
        "inputs": {name: value.tolist() for name, value in inputs.items()},
        "loss": loss.item(),
        "gradients": {name: value.tolist() for name, value in zip(inputs, gradients, strict=True)},
    }


if __name__ == "__main__":
    main()
