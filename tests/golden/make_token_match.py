"""Write token_match.json: the transport plan that POT finds between words and patches, and the score of the pair by it; and the plan
with entropy where patches have room left.

    python tests/golden/make_token_match.py        # needs POT and numpy, and nothing of ours

Each word sends 1, each patch takes up to the capacity; what is left of it is taken from a word that costs nothing. The plan has whole
numbers, since the costs are drawn. Gradients are those of the raw features with the plan held still.
Axes: L words, of which the last ones are padding, K patches, D = 4 shared width.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import ot

WIDTH, TEMPERATURE = 4, 0.1
CASES = ((5, 4, 6, 1), (5, 5, 3, 2), (7, 6, 3, 2), (4, 4, 4, 1), (6, 5, 2, 3))  # L, words that count, K, capacity


def main() -> None:
    """Draw, ask the peer, write."""
    draw = np.random.default_rng(52)
    cases = [case(draw, *sizes) for sizes in CASES]
    golden = {"peer": f"POT {ot.__version__}, ot.emd and ot.sinkhorn", "temperature": TEMPERATURE, "cases": cases}
    text = json.dumps(golden).replace(', "', ',\n"').replace("[{", "[\n{")  # a line a name: a change can be read
    Path(__file__).with_name("token_match.json").write_text(text + "\n")


def case(draw: np.random.Generator, length: int, words: int, patches: int, capacity: int) -> dict[str, Any]:
    """Return one pair with the peer's score and the gradients of it."""
    text = draw.standard_normal((length, WIDTH)).astype(np.float32).astype(np.float64)
    picture = draw.standard_normal((1, WIDTH)) + 0.5 * draw.standard_normal(
        (patches, WIDTH)
    )  # alike, so that words compete
    picture = picture.astype(np.float32).astype(np.float64)
    unit, seen = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (text[:words], picture))
    cost = np.vstack([-unit @ seen.T, np.zeros(patches)])
    left = patches * capacity - words
    has, takes = np.array([1.0] * words + [float(left)]), np.full(patches, float(capacity))
    plan = ot.emd(has, takes, cost)[:words].round(9)
    soft = (
        ot.sinkhorn(has, takes, cost, TEMPERATURE, method="sinkhorn_log", numItermax=5000, stopThr=1e-9)[:words]
        if left
        else None
    )
    assert set(np.unique(plan)) <= {0.0, 1.0}
    by_word = np.zeros_like(text)
    by_word[:words] = through(text[:words], plan @ seen / words)
    return {
        "text": text.tolist(), "image": picture.tolist(), "words": words, "capacity": capacity,
        "given": plan.argmax(1).tolist(), "shares": None if soft is None else soft.tolist(), "score": float((plan * (unit @ seen.T)).sum() / words),
        "gradients": {"text": by_word.tolist(), "image": through(picture, plan.T @ unit / words).tolist()},
    }  # fmt: skip


def through(rows: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Return the gradient of rows, of that of their directions."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / length
    return (gradient - (gradient * unit).sum(1, keepdims=True) * unit) / length


if __name__ == "__main__":
    main()
