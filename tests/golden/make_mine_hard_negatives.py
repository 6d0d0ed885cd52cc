"""Write mine_hard_negatives.json: which texts sentence_transformers' mine_hard_negatives mines for pictures.

    $(python -c "from tests.benchmarks.environments import python_of; print(python_of('sentence_transformers'))") \\
        tests/golden/make_mine_hard_negatives.py

Their model is one that gives features which are kept beside the answers; query i belongs to text i.
Axes: B = 12 pairs, D = 6 width.
"""

import json
from pathlib import Path
from typing import Any

import sentence_transformers
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import mine_hard_negatives
from torch import Tensor, nn

PAIRS, WIDTH = 12, 6
ASKED = (
    {"take": 3}, {"skip": 2, "take": 3}, {"relative_margin": 0.1}, {"absolute_margin": 0.25, "take": 2}, {"most": 0.3},
    {"skip": 1, "take": 3, "relative_margin": 0.05, "most": 0.4},
)  # fmt: skip
THEIRS = {"relative_margin": "relative_margin", "absolute_margin": "absolute_margin", "most": "max_score"}


class Rows(nn.Module):
    """Texts are numbers, and a number's embedding is the row it counts."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.rows = nn.Parameter(rows, requires_grad=False)

    def preprocess(self, texts: list[str], **given: Any) -> dict[str, Tensor]:
        """Return the numbers."""
        return {"at": torch.tensor([int(text) for text in texts])}

    tokenize = preprocess

    def forward(self, features: dict[str, Tensor], **given: Any) -> dict[str, Tensor]:
        """Return the rows."""
        return {**features, "sentence_embedding": self.rows[features["at"]]}

    def get_embedding_dimension(self) -> int:
        """Return D."""
        return WIDTH

    get_sentence_embedding_dimension = get_embedding_dimension


def main() -> None:
    """Draw, ask the peer, write."""
    draw = torch.Generator().manual_seed(5)
    image = torch.randn(PAIRS, WIDTH, generator=draw)
    text = image + torch.randn(PAIRS, WIDTH, generator=draw)
    model = SentenceTransformer(modules=[Rows(torch.cat([image, text]))], device="cpu")
    golden = {
        "peer": f"sentence_transformers {sentence_transformers.__version__}, mine_hard_negatives", "torch": torch.__version__,
        "image": image.tolist(), "text": text.tolist(),
        "cases": [{"asked": asked, "negatives": mined(model, asked)} for asked in ASKED],
    }  # fmt: skip
    text_ = json.dumps(golden).replace(', "', ',\n"').replace("[{", "[\n{")  # a line a name: a change can be read
    Path(__file__).with_name("mine_hard_negatives.json").write_text(text_ + "\n")


def mined(model: SentenceTransformer, asked: dict[str, Any]) -> list[list[int]]:
    """Return the texts of each picture, in order of their numbers.

    All texts are within range_max, since theirs counts candidates before the bars, and ours those that are left by them.
    """
    pairs = Dataset.from_dict(
        {"query": [str(row) for row in range(PAIRS)], "answer": [str(PAIRS + row) for row in range(PAIRS)]}
    )
    skip = asked.get("skip", 0)
    take = asked.get("take", PAIRS - 1 - skip)
    bars = {THEIRS[name]: value for name, value in asked.items() if name in THEIRS}
    found = mine_hard_negatives(
        pairs, model, range_min=skip, range_max=PAIRS - 1, num_negatives=take, sampling_strategy="top",
        output_format="triplet", verbose=False, **bars,
    )  # fmt: skip
    negatives: list[list[int]] = [[] for _ in range(PAIRS)]
    for query, negative in zip(found["query"], found["negative"], strict=True):
        negatives[int(query)].append(int(negative) - PAIRS)
    return [sorted(one) for one in negatives]


if __name__ == "__main__":
    main()
