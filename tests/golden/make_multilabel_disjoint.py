"""Write multilabel_disjoint.json: what torch's own functions give for each form of the loss, with gradients, in float64.

    OMP_NUM_THREADS=1 python -m tests.golden.make_multilabel_disjoint

`mlcd` and `mlc` are written out as one logarithm of a sum over all pairs, as the paper derives them; no code of it is released.
"""

import json
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

PICTURES, CLUSTERS, LABELS = 5, 11, 3


def drawn(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return logits [B C] of a few units, and three positives a picture."""
    draw = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(PICTURES, CLUSTERS, generator=draw, dtype=torch.float64)
    labels = torch.rand(PICTURES, CLUSTERS, generator=draw).topk(LABELS, dim=1).indices
    return logits, torch.zeros(PICTURES, CLUSTERS, dtype=torch.bool).scatter(1, labels, True)


def written_out(form: str, logits: Tensor, positive: Tensor) -> Tensor:
    """Return the loss of a form, as a person would write it down."""
    if form == "bce":
        return binary_cross_entropy_with_logits(logits, positive.double(), reduction="none").sum(1).mean()
    if form == "softmax":
        return cross_entropy(logits, positive.double() / positive.sum(1, keepdim=True))
    each = []
    for row, own in zip(logits, positive, strict=True):
        others, its = row[~own], row[own]
        pairs = (others[:, None] - its[None]).flatten()
        parts = [torch.zeros(1, dtype=row.dtype), pairs] + ([others, -its] if form == "mlcd" else [])
        each.append(torch.logsumexp(torch.cat(parts), 0))
    return torch.stack(each).mean()


def main() -> None:
    """Ask and write."""
    logits, positive = drawn()
    found = {}
    for form in ("mlcd", "mlc", "bce", "softmax"):
        leaf = logits.clone().requires_grad_()
        loss = written_out(form, leaf, positive)
        loss.backward()
        assert leaf.grad is not None
        found[form] = {"loss": float(loss.detach()), "gradient": leaf.grad.tolist()}
    golden = {"torch": torch.__version__, "logits": logits.tolist(), "positive": positive.tolist(), "forms": found}
    Path(__file__).with_name("multilabel_disjoint.json").write_text(json.dumps(golden, indent=2) + "\n")


if __name__ == "__main__":
    main()
