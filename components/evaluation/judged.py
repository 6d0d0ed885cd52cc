"""What people said of answers, asked again: whether the pictures that they found fitting come first, and those that they did not find so do not.

Source: Joachims 2002, "Optimizing Search Engines using Clickthrough Data", section 3 (of two answers to one question that people judged, whether the
better one stands before the other). Differs: people said what fits by a thumb and not by a click, so that a text may have one judged picture alone; of
these the rank among all pictures counts. Pictures that nobody judged count as wrong beside a fitting one, as retrieval counts.
Axes: T texts, I pictures of a pool, J judged pairs.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from components.contracts.evaluate import Metric, Tally
from components.contracts.evaluator import Evaluator, Findings, Pictures, Subject
from components.data.judged import Judged
from components.evaluation.bootstrap import mean_interval
from components.evaluation.ranking import Cosines

KIND = "judged"
BLOCK = 256  # texts whose scores are there at once
PAIR = "→"  # between text and picture in the name of a row


class JudgedPairs(Evaluator):
    """Recall at k of what fits, the share of what does not that is among the first k, and how often the one stands before the other.

    Args:
        pairs: text, picture and vote; those whose picture is not in the pool are not counted. None: captions as the data has them, each of which
            fits its picture and does not fit that of another thing.
        ks: the k.
    """

    def __init__(self, pairs: Sequence[Judged] | None = None, ks: Sequence[int] = (1, 5, 10)) -> None:
        self.pairs, self.ks = pairs, tuple(ks)

    def measure(self, subject: Subject) -> Findings:
        """Return `judged.<split>.fits.recall_at_<k>`, `.misfits.within_<k>` and `.preferred`, and a row a pair with its rank."""
        metrics: list[Metric] = []
        rows: dict[str, pa.Table] = {}
        without: dict[str, str] = {}
        for split, pool in subject.pools.items():
            place = {key: at for at, key in enumerate(pool.keys)}
            said = _of_captions(pool) if self.pairs is None else self.pairs
            pairs = [pair for pair in dict.fromkeys(said) if pair.key in place]
            name = f"{KIND}.{split}"
            if not pairs:
                without[name] = (
                    f"none of {len(said):,} thumbs is of a picture of {split}; those of pictures that are learnt from measure nothing"
                )
                continue
            ranks, scores = _placed(subject, split, pairs, [place[pair.key] for pair in pairs])
            rows[name] = pa.table(
                {
                    "split": [split] * len(pairs), "vote": [pair.vote for pair in pairs],
                    "query": [f"{pair.text} {PAIR} {pair.key}" for pair in pairs], "group": [pair.text for pair in pairs],
                    "key": [pair.key for pair in pairs], "rank": pa.array(ranks, pa.int32()),
                }
            )  # fmt: skip
            for vote, what in (("up", "fits.recall_at"), ("down", "misfits.within")):
                at = np.array([pair.vote == vote for pair in pairs])
                if not at.any():
                    without[f"{name}.{what.partition('.')[0]}"] = f"nobody gave a thumb {vote} to a picture of {split}"
                    continue
                texts = [pair.text for pair in pairs if pair.vote == vote]
                metrics += [
                    self._within(name, what, vote, k, ranks[at], texts, len(pool.keys), subject.seed) for k in self.ks
                ]
            won, about = _preferred(pairs, scores)
            if not won:
                without[f"{name}.preferred"] = f"no text has both, a picture of {split} that fits and one that does not"
                continue
            low, high = mean_interval(np.array(won), about, subject.seed)
            metrics.append(
                Metric(
                    name=f"{name}.preferred", value=float(np.mean(won)), unit="fraction", better="up", n=len(won), chance=0.5, baseline=0.5,
                    method="of a picture that fits and one that does not, whether the first is nearer to the text", low=low, high=high,
                )
            )  # fmt: skip
        return Findings(metrics=tuple(metrics), rows=rows, without=without)

    def _within(
        self, name: str, what: str, vote: str, k: int, ranks: Int[np.ndarray, "J"], texts: Sequence[str], gallery: int, seed: int
    ) -> Metric:  # fmt: skip
        low, high = mean_interval(ranks <= k, texts, seed)
        chance = min(1.0, k / gallery)
        return Metric(
            name=f"{name}.{what}_{k}", value=float((ranks <= k).mean()), unit="fraction", better="up" if vote == "up" else "down", n=len(ranks),
            chance=chance, baseline=chance, method=f"pictures with a thumb {vote}, among {gallery:,}", low=low, high=high,
            tallies=(Tally(rows=name, where={"vote": vote}, column="rank", at_most=k),),
        )  # fmt: skip


def _placed(
    subject: Subject, split: str, pairs: Sequence[Judged], places: Sequence[int]
) -> tuple[Int[np.ndarray, "J"], Float[np.ndarray, "J"]]:
    """Return the rank, from 1, of each pair's picture for its text, and their cosine; a tie counts as lost, and of two that fit neither is in the other's way."""
    pictures, texts = subject.embedded(split), list(dict.fromkeys(pair.text for pair in pairs))
    rows: dict[str, list[int]] = {text: [] for text in texts}
    for row, pair in enumerate(pairs):
        rows[pair.text].append(row)
    ranks, cosines = np.zeros(len(pairs), np.int64), np.zeros(len(pairs), np.float32)
    all_scores = Cosines(left=subject.encoder.texts(texts), right=pictures)
    for start in range(0, len(texts), BLOCK):
        its = slice(start, start + BLOCK)
        for text, scores in zip(texts[its], all_scores[its], strict=True):
            fits = {places[row] for row in rows[text] if pairs[row].vote == "up"}
            for row in rows[text]:
                others = np.ones(len(scores), bool)
                others[[places[row], *(fits if pairs[row].vote == "up" else ())]] = False
                cosines[row] = scores[places[row]]
                ranks[row] = 1 + np.count_nonzero(scores[others] >= cosines[row])
    return ranks, cosines


def _preferred(pairs: Sequence[Judged], cosines: Float[np.ndarray, "J"]) -> tuple[list[bool], list[str]]:
    """Return of each fitting and each other picture of one text whether the first is nearer, and the text."""
    by_text: dict[str, dict[str, list[tuple[str, float]]]] = {}
    for pair, cosine in zip(pairs, cosines.tolist(), strict=True):
        by_text.setdefault(pair.text, {"up": [], "down": []})[pair.vote].append((pair.key, cosine))
    both = [
        (text, mine > other)
        for text, its in by_text.items()
        for key, mine in its["up"]
        for of, other in its["down"]
        if key != of  # people may differ about a picture
    ]
    return [won for _, won in both], [text for text, _ in both]


def _of_captions(pool: Pictures) -> tuple[Judged, ...]:
    return tuple(_said(pool))


def _said(pool: Pictures) -> Iterator[Judged]:
    order = sorted(range(len(pool.keys)), key=lambda at: pool.keys[at])
    for turn, at in enumerate(order):
        apart = (one for one in (*order[turn + 1 :], *order[:turn]) if pool.concepts[one] != pool.concepts[at])
        other = next(apart, None)
        for text in pool.captions[at]:
            yield Judged(text=text, key=pool.keys[at], vote="up")
            if other is not None and text not in pool.captions[other]:
                yield Judged(text=text, key=pool.keys[other], vote="down")
