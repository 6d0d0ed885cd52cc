"""How well the words of a row fit its picture, by a model that somebody names, and which rows fit far less than is usual.

Source: Iglewicz and Hoaglin 1993, "How to Detect and Handle Outliers": the modified z-score, 0.6745 times the distance from
the median over the median of those distances (MAD), which a few outliers do not move; above 3.5 is one. Differs: only below,
since a pair that fits too well harms nothing.
Axes: N rows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float
from numpy.typing import NDArray

from components.contracts.progress import Progress
from components.contracts.scorer import Scorer
from components.data.shards import ShardReader
from components.validation.measure import MEASURED

BAR = 3.5
LEAST = 20  # scored rows; of fewer nobody knows what is usual
_NORMAL = 0.6745  # MAD of a normal distribution of standard deviation 1
_BATCH = 32  # pictures handed to the model at once
_ROWS = 4096  # of the manifest, held as objects
_BIN = 0.05  # of a cosine, in the report


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """Who scores, and what is odd.

    Args:
        scorer: the model.
        bar: modified z-scores below the median from which on a row is told of.
    """

    scorer: Scorer
    bar: float = BAR


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What is usual in this data.

    Args:
        model: which scored.
        scored: rows with a score.
        median: of the scores.
        spread: as a standard deviation, from the MAD; 0 where there are too few scores, or most are the same, and nothing is odd.
        bar: spreads below the median from which on a row is odd.
    """

    model: str
    scored: int
    median: float
    spread: float
    bar: float

    def below(self, scores: Float[np.ndarray, " N"]) -> NDArray[np.float64]:
        """Return how many spreads each lies below the median; 0 for one above, NaN for no score."""
        if not self.spread:
            return np.zeros(len(scores))
        return np.clip((self.median - np.asarray(scores, np.float64)) / self.spread, 0, None)


def fit_of(scores: Float[np.ndarray, " N"], model: str, bar: float) -> Fit:
    """Return what is usual among scores, of which those that are NaN do not count."""
    held = np.asarray(scores, np.float64)
    held = held[np.isfinite(held)]
    median = float(np.median(held)) if len(held) else 0.0
    spread = float(np.median(np.abs(held - median))) / _NORMAL if len(held) >= LEAST else 0.0
    return Fit(model=model, scored=len(held), median=median, spread=spread, bar=bar)


class Scores:
    """Takes the rows as they come, and scores those whose picture can be decoded, a few at a time; with nobody to ask, none."""

    def __init__(self, scoring: Scoring | None) -> None:
        self._scoring = scoring
        self._found: list[NDArray[np.float32]] = []
        self._pictures: list[bytes] = []
        self._texts: list[Sequence[str]] = []

    def add(self, picture: bytes | None, texts: Iterable[str | None]) -> None:
        """Take the next row; one without a picture, or without words, has no score."""
        if self._scoring is None:
            return
        self._pictures.append(picture or b"")
        self._texts.append([text for text in texts if text] if picture else [])
        if len(self._pictures) == _BATCH:
            self._flush(self._scoring.scorer)

    def _flush(self, scorer: Scorer) -> None:
        self._found.append(scorer.score(self._pictures, self._texts))
        self._pictures, self._texts = [], []

    def into(self, measured: pa.Table) -> tuple[pa.Table, Fit | None]:
        """Return MEASURED with the scores of its rows, which were all added, and what is usual; unchanged with nobody to ask."""
        if self._scoring is None:
            return measured, None
        self._flush(self._scoring.scorer)
        scores = np.concatenate(self._found)
        column = pa.array(scores, pa.float32(), mask=np.isnan(scores))
        measured = measured.set_column(MEASURED.get_field_index("score"), MEASURED.field("score"), column)
        return measured, fit_of(scores, self._scoring.scorer.name, self._scoring.bar)


def score_shards(scores: Scores, raw: Path, manifest: pa.Table, decodable: pa.ChunkedArray, progress: Progress) -> None:
    """Add the rows of a snapshot, reading again those pictures that are known to be decodable."""
    wanted = manifest.select(["key", "shard", "offset", "size_bytes", "sha256", "texts"]).append_column(
        "sound", decodable
    )
    done = 0
    with ShardReader(raw) as reader:
        for batch in wanted.to_batches(max_chunksize=_ROWS):
            for row in batch.to_pylist():
                scores.add(reader.read(row) if row["sound"] else None, [one["text"] for one in row["texts"] or ()])
                done += 1
                progress("score pictures", done, len(manifest))


def told_of(fit: Fit | None, measured: pa.Table) -> dict[str, Any]:
    """Return what report.json says of the scores, as its `fit`: what is usual, and how many there are in each range of cosines."""
    if fit is None:
        return {}
    scores = np.asarray(measured["score"].drop_null())
    bins, counts = np.unique(np.floor(scores / _BIN).astype(int), return_counts=True)
    said = {
        "model": fit.model, "scored": fit.scored, "median": round(fit.median, 4), "spread": round(fit.spread, 4), "bar": fit.bar,
        "odd_below": round(fit.median - fit.bar * fit.spread, 4) if fit.spread else None,
        "scores": {f"{at * _BIN:.2f} to {(at + 1) * _BIN:.2f}": count for at, count in zip(bins.tolist(), counts.tolist(), strict=True)},
    }  # fmt: skip
    return {"fit": said}
