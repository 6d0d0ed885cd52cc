"""Write barlow.json: what lightly's Barlow Twins loss gives, value and gradients.

pip install --no-deps --target PEERS lightly lightly-utils
PYTHONPATH=.:PEERS python -m tests.golden.make_barlow
"""

import json
from importlib.metadata import version
from pathlib import Path

import torch
from lightly.loss.barlow_twins_loss import BarlowTwinsLoss

PAIRS, WIDTH, OFF_DIAGONAL = 7, 4, 0.005


def case(seed: int, length: float) -> dict[str, object]:
    """Return inputs of other lengths and means, and what the peer says of them, times the weight of our default."""
    draw = torch.Generator().manual_seed(seed)
    inputs = {
        name: (length * torch.randn(PAIRS, WIDTH, generator=draw) + length).requires_grad_()
        for name in ("image", "text")
    }
    loss = 0.025 * BarlowTwinsLoss(lambda_param=OFF_DIAGONAL)(*inputs.values())
    loss.backward()
    return {
        "inputs": {name: value.tolist() for name, value in inputs.items()}, "loss": loss.item(),
        "gradients": {name: value.grad.tolist() for name, value in inputs.items()},
    }  # fmt: skip


def main() -> None:
    """Ask and write."""
    golden = {"peer": f"lightly {version('lightly')}", "cases": [case(0, 1.0), case(1, 10.0)]}
    Path(__file__).with_name("barlow.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
