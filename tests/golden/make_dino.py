"""Write dino.json: lightly's DINOLoss over two steps of a moving centre, and its head with weights that are drawn here.

pip install --no-deps --target PEERS lightly lightly-utils
PYTHONPATH=.:PEERS python -m tests.golden.make_dino
"""

import json
from importlib.metadata import version
from pathlib import Path

import torch
from lightly.loss import DINOLoss
from lightly.models.modules import DINOProjectionHead
from torch import Tensor

ROWS, PROTOTYPES = 5, 6
SIZES = {"width": 4, "hidden": 7, "bottleneck": 3, "prototypes": 6}


def steps(seed: int, taught: int, seen: int) -> dict[str, object]:
    """Return two steps with one loss, whose centre moves after each: inputs, value, gradient, and the centre behind it."""
    draw, loss, told = torch.Generator().manual_seed(seed), DINOLoss(PROTOTYPES), []
    for temperature in (0.04, 0.07):
        teacher = torch.randn(taught, ROWS, PROTOTYPES, generator=draw) * 0.1
        student = (torch.randn(seen, ROWS, PROTOTYPES, generator=draw) * 0.3).requires_grad_()
        value = loss(list(teacher), list(student), teacher_temp=temperature)
        value.backward()
        assert isinstance(student.grad, Tensor)
        told.append({
            "temperature": temperature, "teacher": teacher.tolist(), "student": student.tolist(), "loss": value.item(),
            "gradient": student.grad.tolist(), "centre": loss.center.flatten().tolist(),
        })  # fmt: skip
    return {"steps": told}


def head() -> dict[str, object]:
    """Return weights, rows, what comes out, and the gradients of all of them under a pull that is drawn too."""
    torch.manual_seed(0)
    made = DINOProjectionHead(SIZES["width"], SIZES["hidden"], SIZES["bottleneck"], SIZES["prototypes"])
    learns = {name: weight for name, weight in made.named_parameters() if weight.requires_grad}
    with torch.no_grad():
        for weight in learns.values():
            weight.normal_()
    rows, pull = torch.randn(ROWS, SIZES["width"], requires_grad=True), torch.randn(ROWS, SIZES["prototypes"])
    out = made(rows)
    out.backward(pull)
    return {
        "sizes": SIZES, "weights": {name: weight.tolist() for name, weight in learns.items()}, "rows": rows.tolist(), "pull": pull.tolist(),
        "out": out.tolist(), "gradients": {name: weight.grad.tolist() for name, weight in learns.items()} | {"rows": rows.grad.tolist()},
    }  # fmt: skip


def main() -> None:
    """Ask and write."""
    golden = {
        "peer": f"lightly {version('lightly')}", "cases": [steps(0, 2, 2), steps(1, 2, 5), steps(2, 1, 3)], "head": head(),
    }  # fmt: skip
    Path(__file__).with_name("dino.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
