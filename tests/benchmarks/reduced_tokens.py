"""What few tokens save: scores of pictures and texts by tokens, forward and backward, with and without a TokenLearner before them.

    python -m tests.benchmarks.reduced_tokens                    # 128 pairs; 256 tokens made 24 and 49 made 12, as in Wukong's two models
    python -m tests.benchmarks.reduced_tokens --pairs 64 --turns 9

`scores` is the similarity step: all pictures against all texts by tokens of the shared width, a softmax each way, and the gradient of the tokens. `step`
has what comes between a locked tower and the scores as well: the projection, and on the side of few tokens the TokenLearner, whose cost grows
with the batch, where that of scores grows with its square. Sides take turns in one process, one thread. Prints one JSON object as its last line; a
ratio is all tokens' CPU-seconds over few tokens', the middle of the turns.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from components.models.token_learner import TokenLearner
from components.objectives.similarity import max_sim
from components.objectives.softmax import SoftmaxLoss
from tests.benchmarks.loader import commit

CASES = {"ViT-L/14": (256, 24, 1024, 768), "ViT-B/32": (49, 12, 768, 512)}
"""Of the paper's models: tokens of a picture, how many are left, width of the tower, shared width."""
WORDS = 32


def measured(sizes: tuple[int, int, int, int], pairs: int, turns: int) -> dict[str, Any]:
    """Return CPU-seconds of either side in the middle of the turns, and their ratio, of `scores` and of `step`."""
    whole, few, width, shared = sizes
    torch.manual_seed(0)
    learner, projection, softmax = (
        TokenLearner(width, few, groups=8),
        nn.Linear(width, shared, bias=False),
        SoftmaxLoss(),
    )
    image, text = torch.randn(pairs, whole, width), torch.randn(pairs, WORDS, shared)
    mask = torch.arange(WORDS)[None] < torch.randint(4, WORDS + 1, (pairs, 1))
    with torch.no_grad():
        shown = {"all": projection(image), "few": projection(learner(image))}
    patches: dict[str, dict[str, Callable[[], Tensor]]] = {
        "scores": {side: lambda side=side: shown[side].clone().requires_grad_() for side in shown},  # type: ignore[misc]
        "step": {"all": lambda: projection(image), "few": lambda: projection(learner(image))},
    }

    def seconds(make: Callable[[], Tensor]) -> float:
        words, began = text.clone().requires_grad_(), time.process_time()
        scores = max_sim(make(), words, mask, chunk=16)
        softmax.from_scores(14 * scores.image_to_text, 14 * scores.text_to_image).backward()
        return time.process_time() - began

    told: dict[str, Any] = {"tokens": whole, "left": few}
    for what, sides in patches.items():
        took = [{side: seconds(make) for side, make in sides.items()} for _ in range(turns + 1)][
            1:
        ]  # the first warms both up
        ratios = [one["all"] / one["few"] for one in took]
        told[what] = {
            **{f"{side}_s": round(statistics.median(one[side] for one in took), 6) for side in sides},
            "ratio": round(statistics.median(ratios), 1), "least": round(min(ratios), 1), "most": round(max(ratios), 1),
        }  # fmt: skip
    return told


def main() -> None:
    """Measure both models' sizes, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=128)
    parser.add_argument("--turns", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    told = {}
    for case, sizes in CASES.items():
        told[case] = measured(sizes, asked.pairs, asked.turns)
        print(case, json.dumps(told[case]), file=sys.stderr)
    print(json.dumps({
        "bench": "reduced_tokens", **vars(asked), "cases": told, "unit": "CPU-seconds", "torch": torch.__version__,
        "machine": f"1 thread, {platform.processor() or platform.machine()}", "commit": commit(),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
