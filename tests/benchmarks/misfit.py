"""How many captions that were exchanged a trained package finds among scenes, and which others it names.

    python -m tests.benchmarks.misfit PACKAGE

PACKAGE is one that was trained on the source `scenes` with seed 0, such as with

    diptych run --data scenes --scale debug --set training.steps=600

One caption in twenty is exchanged for one of another colour and shape, after training, so the model has not learned them.
Prints one JSON object.
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np

from components.contracts.progress import silent
from components.contracts.sample import Sample
from components.data.synthetic.scenes import ScenesSource
from components.serving.scorer import open_scorer
from components.validation.fit import BAR, fit_of

SHARE, SEED = 20, 0


def main() -> None:
    """Exchange, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package")
    scorer = open_scorer(parser.parse_args().package, Path.cwd(), None)
    samples = list(ScenesSource().samples(SEED, silent))
    said = {"bench": "misfit", "bar": BAR}
    trained = [sample for sample in samples if sample.split == "train"]
    for name, some in (("trained_on", trained), ("all", samples)):
        wrong, texts = _exchanged(some)
        scores = scorer.score([sample.media[0].data for sample in some], [[text] for text in texts])
        odd = fit_of(scores, scorer.name, BAR).below(scores) > BAR
        right, off = scores[~wrong], scores[wrong]
        said[name] = {
            "pairs": len(some), "exchanged": int(wrong.sum()), "found": int((odd & wrong).sum()), "others": int((odd & ~wrong).sum()),
            "others_not_trained_on": sum(sample.split != "train" for sample, its in zip(some, odd & ~wrong, strict=True) if its),
            "auc": round(float((right[:, None] > off).mean()), 3),
        }  # fmt: skip
    print(json.dumps(said))


def _exchanged(samples: list[Sample]) -> tuple[np.ndarray, list[str]]:
    """Return which captions were exchanged, bool [N], and all captions."""
    draw = random.Random(SEED)
    texts = [sample.texts[0].text for sample in samples]
    chosen = draw.sample(range(len(samples)), len(samples) // SHARE)
    others = {at: [text for text in texts if _unlike(text, texts[at])] for at in chosen}
    wrong = np.isin(np.arange(len(samples)), chosen)
    return wrong, [draw.choice(others[at]) if at in others else text for at, text in enumerate(texts)]


def _unlike(one: str, other: str) -> bool:
    """Return whether two scenes differ in colour and shape, the third and fourth word."""
    return all(mine != theirs for mine, theirs in zip(one.split()[2:4], other.split()[2:4], strict=True))


if __name__ == "__main__":
    main()
