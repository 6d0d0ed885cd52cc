"""Write matryoshka.json: what sentence_transformers' MatryoshkaLoss says of features that are kept beside it.

    $(python -c "from tests.benchmarks.environments import python_of; print(python_of('sentence_transformers'))") \\
        tests/golden/make_matryoshka.py

It stands around their MultipleNegativesRankingLoss of both directions, each with a softmax of its own, which is CLIP's.
Axes: B = 6 pairs, D = 8 shared width.
"""

import json
from pathlib import Path
from typing import Any

import sentence_transformers
import torch
from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss, MultipleNegativesRankingLoss
from torch import Tensor, nn

PAIRS, WIDTH = 6, 8


class Given(nn.Module):
    """A model whose embeddings are those it is handed, as their losses call one."""

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the same, under the name they look for."""
        return {"sentence_embedding": features["rows"]}

    def get_embedding_dimension(self) -> int:
        """Return D."""
        return WIDTH


def main() -> None:
    """Draw, ask the peer, write."""
    draw = torch.Generator().manual_seed(2205)
    asked = ((14.0, [4], [1.0]), (1.0, [4, 2], [0.5, 2.0]), (100.0, [7, 5, 1], [1.0, 1.0, 0.25]))
    golden = {
        "peer": f"sentence_transformers {sentence_transformers.__version__}, MatryoshkaLoss", "torch": torch.__version__,
        "cases": [case(torch.randn(2, PAIRS, WIDTH, generator=draw), *one) for one in asked],
    }  # fmt: skip
    text = json.dumps(golden).replace(', "', ',\n"').replace("[{", "[\n{")  # a line a name: a change can be read
    Path(__file__).with_name("matryoshka.json").write_text(text + "\n")


def case(features: Tensor, scale: float, widths: list[int], weights: list[float]) -> dict[str, Any]:
    """Return one input with the peer's loss and gradients; the whole width is among theirs, with a weight of 1."""
    inputs = {"image": features[0].clone().requires_grad_(), "text": features[1].clone().requires_grad_()}
    model = Given()
    both = MultipleNegativesRankingLoss(
        model, scale=scale, directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction"
    )
    loss = MatryoshkaLoss(model, both, [WIDTH, *widths], [1.0, *weights])
    value = loss([{"rows": inputs["image"]}, {"rows": inputs["text"]}], torch.zeros(PAIRS))
    value.backward()
    return {
        "scale": scale, "widths": widths, "weights": weights,
        "inputs": {name: rows.tolist() for name, rows in inputs.items()}, "loss": value.item(),
        "gradients": {name: rows.grad.tolist() for name, rows in inputs.items()},
    }  # fmt: skip


if __name__ == "__main__":
    main()
