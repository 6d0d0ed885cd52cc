"""Sets of others, on which a model that is tuned must not get worse: one half of each bounds what is chosen, the other tells what was lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.evaluate import Metric
from components.contracts.evaluator import Evaluator, Findings, Pictures
from components.contracts.progress import Progress
from components.data.evaluation_set import EvaluationSet
from components.data.halves import halves
from components.data.selection import Pool
from components.evaluation.bootstrap import mean_interval
from components.evaluation.embedding import Embedder
from components.evaluation.on_set import naming, usual
from components.evaluation.retrieval import Retrieval
from components.evaluation.subject import TrainedModel
from components.evaluation.zero_shot import ZeroShot

KS = (1, 5, 10)  # of recall at k
FEW = 4  # classes, of which one in 256 draws has the worst alone; of three it is one in 27, more than an interval leaves out


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """A number of a set of others, that must not fall.

    Args:
        name: of the set, as its numbers bear it.
        pool: its pictures.
        asks: what it is asked.
        main: the name of the number.
        said: how a trade calls it, where the set has several; `name` where it is empty.
    """

    name: str
    pool: Pictures
    asks: Evaluator
    main: str
    said: str = ""

    @property
    def called(self) -> str:
        """How a trade calls it."""
        return self.said or self.name

    def found(self, embedder: Embedder, progress: Progress) -> tuple[Metric, Findings]:
        """Return that number of a model, and all that is needed to read it."""
        found = found_of(embedder, self.name, self.pool, self.asks, 0, progress)
        return next(metric for metric in found.metrics if metric.name == self.main), found

    def number(self, embedder: Embedder, progress: Progress) -> float:
        """Return that number of a model."""
        return self.found(embedder, progress)[0].value


@dataclass(frozen=True, slots=True, kw_only=True)
class Halved:
    """A number in both halves of a set.

    Args:
        by: what the choice is bound by.
        on: what is told of, and judged; no picture of it is in the other.
    """

    by: Elsewhere
    on: Elsewhere


def able(metric: Metric, rows: Mapping[str, pa.Table]) -> bool:
    """Return whether a model can do at all what a number measures: what it is sure to be is above chance, as of `surely`.

    What a start cannot do it cannot lose, and a number that is chance goes up and down by chance alone.
    """
    return surely(metric, rows) > metric.chance


def surely(metric: Metric, rows: Mapping[str, pa.Table]) -> float:
    """Return the lower end of a number's interval; of classes that are told apart by their names, of that over classes, too, whichever is lower; without an interval, the number.

    Names can fit by chance: who calls all digits that are upright one or seven is right of these two, however many pictures there are, and of no other. Of fewer than FEW classes
    draws of them would show little but the worst, so that pictures alone are drawn.

    Args:
        rows: that it is counted over.
    """
    lows = [metric.value if metric.low is None else metric.low]
    for tally in metric.tallies:
        if tally.rows.startswith("zero_shot."):
            of = rows[tally.rows].filter(pc.equal(rows[tally.rows]["set"], tally.where["set"]))
            right, labels = pc.less_equal(of[tally.column], tally.at_most), of["label"].to_pylist()
            if len(set(labels)) >= FEW:
                low, _ = mean_interval(right.to_numpy(zero_copy_only=False), labels, 0)
                lows += [] if low is None else [low]
    return min(lows)


def of_set(one: EvaluationSet) -> Halved:
    """Return a set in halves, with what it is asked where nobody says: top-1 must not fall where it has classes, else mean recall."""
    main = f"zero_shot.{one.name}.class.top1" if one.classes else f"retrieval.{one.name}.mean_recall"
    asks = usual(one, KS)
    by, on = (Elsewhere(name=one.name, pool=half, asks=asks, main=main) for half in halves(one.pool))
    return Halved(by=by, on=on)


def of_source(name: str, pool: Pool, asked: Sequence[Evaluator]) -> list[Halved]:
    """Return a set in halves, a pair for each number of it that must not fall."""
    first, second = (held_to(name, half, asked) for half in halves(pool))
    return [Halved(by=by, on=on) for by, on in zip(first, second, strict=True)]


def held_to(name: str, pool: Pool, asked: Sequence[Evaluator]) -> list[Elsewhere]:
    """Return the numbers of a set that must not fall; none, which is said, of one that is asked neither to classify by templates nor to find."""
    found: list[tuple[Evaluator, str]] = []
    for asks in asked:
        if isinstance(asks, ZeroShot) and asks.prompts == "templates":  # other prompts are those of what was trained on
            found.append((asks, f"zero_shot.{name}.{asks.label}.top1"))
        elif isinstance(asks, Retrieval):
            found.append((asks, f"retrieval.{name}.mean_recall"))
    if not found:
        print(
            f"{name} is asked neither to classify by templates nor to find, so what is lost there does not bound the choice",
            flush=True,
        )
    several = len(found) > 1
    return [
        Elsewhere(
            name=name, pool=pool, asks=asks, main=main, said=f"{name} {main.rpartition('.')[2]}" if several else ""
        )
        for asks, main in found
    ]


def found_of(
    embedder: Embedder, name: str, pool: Pictures, evaluator: Evaluator, seed: int, progress: Progress
) -> Findings:
    """Return what an evaluator finds of a model on a set; nobody knows what it was trained on."""
    nothing = Pool(keys=(), pictures=(), captions=(), concepts=(), sources=())
    subject = TrainedModel(embedder, lambda: embedder, nothing, {name: pool}, seed, progress)
    with naming({name: pool}, embedder.preprocess):
        return evaluator.measure(subject)
