"""What few tokens save: scores of pictures and texts by tokens, forward and backward, with and without a TokenLearner before them.

    python -m tests.benchmarks.reduced_tokens                    # 64 pairs; 256 tokens made 24 and 49 made 12, as in Wukong's two models
    python -m tests.benchmarks.reduced_tokens --pairs 128 --turns 9

The step is what FILIP does once towers have spoken: tokens to the shared width, all pictures against all texts, a softmax each way, and the
gradient of tokens and weights. The side of few tokens pays for its TokenLearner too. Sides take turns in one process, one thread. Prints one JSON
object as its last line; a ratio is all tokens' seconds over few tokens', the middle of the turns.
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
from torch import nn

from components.models.token_learner import TokenLearner
from components.objectives.similarity import max_sim
from components.objectives.softmax import SoftmaxLoss
from tests.benchmarks.loader import commit

CASES = {"ViT-L/14": (256, 24, 1024, 768), "ViT-B/32": (49, 12, 768, 512)}
"""Of the paper's models: tokens of a picture, how many are left, width of the tower, shared width."""
WORDS = 32


def measured(case: str, pairs: int, turns: int) -> dict[str, Any]:
    """Return seconds of either side, in turns, and their ratio."""
    whole, few, width, shared = CASES[case]
    torch.manual_seed(0)
    learner, projection, softmax = TokenLearner(width, few), nn.Linear(width, shared, bias=False), SoftmaxLoss()
    image, text = torch.randn(pairs, whole, width), torch.randn(pairs, WORDS, shared)
    mask = torch.arange(WORDS)[None] < torch.randint(4, WORDS + 1, (pairs, 1))

    def step(reduce: Callable[[torch.Tensor], torch.Tensor] | None) -> float:
        tokens, words = image.clone().requires_grad_(), text.clone().requires_grad_()
        began = time.process_time()
        scores = max_sim(projection(tokens if reduce is None else reduce(tokens)), words, mask, chunk=16)
        softmax.from_scores(14 * scores.image_to_text, 14 * scores.text_to_image).backward()
        return time.process_time() - began

    seconds = {"all": list[float](), "few": list[float]()}
    for turn in range(turns + 1):
        for side, reduce in (("all", None), ("few", learner)):
            took = step(reduce)
            if turn:  # the first warms both up
                seconds[side].append(took)
    ratios = [one / other for one, other in zip(seconds["all"], seconds["few"], strict=True)]
    return {
        "tokens": whole, "left": few, "all_s": round(statistics.median(seconds["all"]), 3), "few_s": round(statistics.median(seconds["few"]), 3),
        "ratio": round(statistics.median(ratios), 1), "least": round(min(ratios), 1), "most": round(max(ratios), 1),
    }  # fmt: skip


def main() -> None:
    """Measure both models' sizes, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=64)
    parser.add_argument("--turns", type=int, default=7)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    told = {}
    for case in CASES:
        told[case] = measured(case, asked.pairs, asked.turns)
        print(case, json.dumps(told[case]), file=sys.stderr)
    print(json.dumps({
        "bench": "reduced_tokens", **vars(asked), "cases": told, "unit": "CPU-seconds", "torch": torch.__version__,
        "machine": f"1 thread, {platform.processor() or platform.machine()}", "commit": commit(),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
