"""Whether a model is asked about pictures that it was trained on: the pixels of every picture are looked at again.

Validation has set such pictures aside; what is measured is only as good as that, so it is looked at once more, at what the model was really
given. Of two files that differ, the pixels on white may still be the same. Pictures that merely look alike are for validation to judge.
What a start learnt from before is not known here: the gate asks for it where versions are known, by the fingerprints that are kept with the rows.
"""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from components.contracts.evaluate import Metric, Tally
from components.contracts.evaluator import Evaluator, Findings, Subject
from components.contracts.progress import Progress
from components.data.fingerprint import FINGERPRINT
from components.data.seen import see

EVERY = 256  # pictures between two signs of life


class Leakage(Evaluator):
    """The share of each pool's pictures that the model was trained on, whatever it began as. A person's guess, and the baseline, are that none are.

    Args:
        again: fingerprint of the pixels -> key of pictures of its start that it learnt from again, beside those of `train`.
    """

    def __init__(self, again: Mapping[str, str] = {}) -> None:
        self.again = again

    def measure(self, subject: Subject) -> Findings:
        """Return `leakage.<split>`, with a row a picture that has its fingerprint, and names its twin among those trained on."""
        trained = prints(subject.train.pictures, subject.progress, "looking at pictures trained on")
        known = {**self.again, **dict(zip(trained, subject.train.keys, strict=True))}
        metrics, rows = [], []
        for split, pool in subject.pools.items():
            seen = prints(pool.pictures, subject.progress, f"looking at pictures of {split}")
            twins = [known.get(one) for one in seen]
            metrics.append(
                Metric(
                    name=f"leakage.{split}", value=sum(twin is not None for twin in twins) / len(twins), unit="fraction", better="down",
                    n=len(twins), chance=0.0, baseline=0.0, method="by the pixels, on white",
                    tallies=(Tally(rows="leakage", where={"split": split}, column="leaked"),),
                )
            )  # fmt: skip
            leaked = [twin is not None for twin in twins]
            rows.append(
                pa.table({
                    "split": [split] * len(twins), "query": list(pool.keys), "group": list(pool.keys), "leaked": leaked,
                    "twin": pa.array(twins, pa.string()), FINGERPRINT: seen,
                })
            )  # fmt: skip
        return Findings(metrics=tuple(metrics), rows={"leakage": pa.concat_tables(rows)} if rows else {})


def prints(pictures: Sequence[bytes], progress: Progress, doing: str) -> list[str]:
    """Return the fingerprint of the pixels of each, or of its bytes where these cannot be decoded."""
    found = []
    for place, data in enumerate(pictures, 1):
        its = see(data)
        found.append(its.pixel_sha256 or its.sha256)
        if place % EVERY == 0 or place == len(pictures):
            progress(doing, place, len(pictures))
    return found
