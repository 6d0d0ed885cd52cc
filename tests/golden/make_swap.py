"""Write swap.json: codes of lightly's sinkhorn under torch's cross-entropy, value and gradients; and plans of POT, even to the end.

pip install --no-deps --target PEERS lightly lightly-utils pot
PYTHONPATH=.:PEERS python -m tests.golden.make_swap
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import ot
import torch
from lightly.loss.swav_loss import sinkhorn
from torch.nn.functional import cross_entropy, normalize

PAIRS, WIDTH, TEMPERATURE, STEPS = 6, 4, 0.05, 3
SOFTER = 0.2  # temperature of the plans, which become even soon
NAMES = ("image", "text", "other_image", "other_text")


def case(seed: int, scale: float) -> dict[str, object]:
    """Return inputs, the loss, and the gradients of what learns."""
    draw = torch.Generator().manual_seed(seed)
    inputs = {name: torch.randn(PAIRS, WIDTH, generator=draw) for name in NAMES} | {"scale": torch.tensor(scale)}
    learns = {name: inputs[name].requires_grad_() for name in ("image", "text", "scale")}
    image, text, other_image, other_text = (normalize(inputs[name], dim=1) for name in NAMES)
    with torch.no_grad():
        cosines = other_image @ other_text.T
        codes = [sinkhorn(way, STEPS, TEMPERATURE) for way in (cosines, cosines.T)]
    scores = inputs["scale"] * image @ text.T
    loss = (cross_entropy(scores, codes[0]) + cross_entropy(scores.T, codes[1])) / 2
    loss.backward()
    return {
        "inputs": {name: value.tolist() for name, value in inputs.items()}, "loss": loss.item(),
        "gradients": {name: value.grad.tolist() for name, value in learns.items()},
    }  # fmt: skip


def plan(rows: int, columns: int) -> dict[str, object]:
    """Return scores, and POT's plan between even rows and even columns, as shares of a row."""
    scores = np.random.default_rng(rows).uniform(-1, 1, (rows, columns))
    even = [np.full(size, 1 / size) for size in (rows, columns)]
    found = ot.sinkhorn(*even, -scores, SOFTER, numItermax=5000, stopThr=1e-9, method="sinkhorn_log")
    return {"scores": scores.tolist(), "temperature": SOFTER, "shares": (rows * found).tolist()}


def main() -> None:
    """Ask and write."""
    golden = {
        "peer": f"lightly {version('lightly')}, POT {version('pot')}", "cases": [case(0, 10.0), case(1, 30.0)],
        "plans": [plan(5, 5), plan(8, 3)],
    }  # fmt: skip
    Path(__file__).with_name("swap.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
