"""What a tuning wins on the validation split against what it loses elsewhere, at each place between the start and its weights; and of several tunings the best
that loses little.

Source: Wortsman et al. 2021, arXiv:2109.01903, section 3. Differs: whoever wins on the validation split may forget wherever one looks, and another that is
nearly as good may not, so that all that raced are weighed before the start is kept; and where what is better loses too much, it is looked at between that
and the place before it, since five places are far apart. Of places that are as good to one query of the validation split, the nearest to the start is taken: what one query more is worth
is chance, and the way there is not.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import torch

from components.contracts.evaluate import CLOSE
from components.contracts.progress import Progress
from components.evaluation.embedding import Embedder
from components.finetuning.ensemble import score
from components.finetuning.interpolate import Weights, interpolate
from components.finetuning.labels.way import TIE
from components.finetuning.race import Heat
from components.finetuning.strategy import ALPHAS, Strategy
from components.models.dual_encoder import DualEncoder
from components.models.grown import begun, shrink
from components.stages.elsewhere import Elsewhere, able, surely
from components.training.callbacks import Watch

NEARER = 2  # looks, at most, below a place that is better and loses too much, each half-way to the place before it

Row = Mapping[str, float]
"""Of an alpha: `alpha`, `val`, and the number of each set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """A tuning that was weighed.

    Args:
        heat: its longest.
        start: by the names of tensors that this tuning's model has.
        tuned: its weights.
        trade: a row an alpha, the start's first.
        reached: the best on the validation split of those that lose no more than is allowed, by which tunings are compared.
        alpha: where that is, or of places as good the `nearest` to the start; 0 where none is better than the start.
    """

    heat: Heat
    start: Weights = field(compare=False)
    tuned: Weights = field(compare=False)
    trade: Sequence[Row]
    reached: float
    alpha: float

    @property
    def weights(self) -> Weights:
        """The weights there."""
        return interpolate(self.start, self.tuned, self.alpha) if self.alpha else self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Scales:
    """What weighs tunings.

    Args:
        embedder: whose model takes their weights, and what they add to it.
        start: the weights that all begin from.
        watch: scores a model on the validation split.
        others: numbers of sets that must not fall.
        most_lost: of each, from 0 to 1.
        progress: is told.
        within: of the validation split's number: of places of a tuning that are no further apart the nearest to the start is taken.
        row: of the start, which every trade begins with.
        without: numbers that bound nothing -> why.
    """

    embedder: Embedder
    start: Weights
    watch: Watch
    others: Sequence[Elsewhere]
    most_lost: float
    progress: Progress
    within: float
    row: Row
    without: Mapping[str, str]

    @classmethod
    def of(
        cls, embedder: Embedder, start: Weights, watch: Watch, others: Sequence[Elsewhere], most_lost: float, progress: Progress, within: float = 0.0
    ) -> "Scales":  # fmt: skip
        """Weigh the start, whose weights the model has."""
        row: dict[str, float] = {"alpha": 0.0, "val": scored(embedder.model, start, watch)}
        without: dict[str, str] = {}
        for done, one in enumerate(others, 1):
            metric, found = one.found(embedder, progress)
            row[one.called] = metric.value
            if not able(metric, found.rows):
                without[one.called] = (
                    f"the start is not shown to be better there than chance: {metric.value:.1%}, of other pictures or classes perhaps {surely(metric, found.rows):.1%}, and chance is {metric.chance:.1%}"
                )
            progress("looking at what the start can do elsewhere", done, len(others))
        return cls(
            embedder=embedder, start=start, watch=watch, others=others, most_lost=most_lost, progress=progress, within=within, row=row, without=without
        )  # fmt: skip

    def weigh(self, heat: Heat, tuned: Weights, way: Strategy | None) -> Weighed:
        """Return what a tuning comes to; the model is left with what this one added to it.

        Args:
            way: by which it was tuned; None of a soup, in which nothing that adds a part is.
        """
        model, start = self.embedder.model, self.start
        shrink(model, start)
        if tuned.keys() != start.keys():
            assert way is not None
            start = grow(model, way, start, tuned)

        def row_at(alpha: float) -> Row:
            row = {"alpha": alpha, "val": scored(model, interpolate(start, tuned, alpha), self.watch)}
            return row | {one.called: one.number(self.embedder, self.progress) for one in self.others}

        rows = [self.row]
        for done, alpha in enumerate(ALPHAS[1:], 1):
            rows.append(row_at(alpha))
            self.progress("weighing what is lost elsewhere", done, len(ALPHAS) - 1)
        bounds = [one.called for one in self.others if one.called not in self.without]
        for look in range(1, NEARER + 1):
            nearer = between(rows, self.most_lost, bounds)
            if nearer is None:
                break
            rows = sorted([*rows, row_at(nearer)], key=lambda row: row["alpha"])
            self.progress("looking nearer to what may be lost", look, NEARER)
        best, _ = chosen(rows, self.most_lost, bounds)
        reached = next(row["val"] for row in rows if row["alpha"] == best)
        alpha = nearest(rows, best, self.most_lost, bounds, self.within)
        return Weighed(heat=heat, start=start, tuned=tuned, trade=rows, reached=reached, alpha=alpha)

    def best(self, raced: Sequence[tuple[Heat, Callable[[], Weights]]], ways: Mapping[str, Strategy]) -> list[Weighed]:
        """Return what was weighed, the best on the validation split of what is allowed last; it alone with its weights, since those of all would fill a memory.

        The best score of a race is weighed first. Another is weighed only where its score is above what is allowed so far, and not by a tie alone, for at none of the five places can
        it be better than that.

        Args:
            raced: heats, each with what reads its weights; the first of equals is preferred.
            ways: by the names of heats.
        """
        others: list[Weighed] = []
        best: Weighed | None = None
        for heat, read in sorted(raced, key=lambda one: -one[0].score):
            if best is None or heat.score > best.reached + TIE:
                one = self.weigh(heat, read(), ways.get(heat.name))
                best, other = (one, best) if best is None or one.reached > best.reached else (best, one)
                others += [replace(other, start={}, tuned={})] if other else []
        return [*others, *([best] if best else [])]

    def take(self, one: Weighed, way: Strategy | None) -> None:
        """Give the model the weights that were chosen of a tuning, and the part that it added."""
        model = self.embedder.model
        shrink(model, self.start)
        if one.tuned.keys() != self.start.keys():
            assert way is not None
            grow(model, way, self.start, one.tuned)
        take(model, one.weights)


def chosen(trade: Sequence[Row], most_lost: float, others: Sequence[str]) -> tuple[float, bool]:
    """Return the alpha that is best on the validation split of those that lose no more elsewhere, and whether the best of all is among them.

    Of equals it is the smallest, and of the start and what answers as many rightly, however surely, the start.

    Args:
        trade: a row an alpha, `alpha`, `val` and each other set's number; alpha 0 is the start.
        others: names of numbers that must not fall.
    """
    allowed = _allowed(trade, most_lost, others)

    def key(row: Row) -> tuple[float, float]:
        return row["val"] + (0.0 if row["alpha"] else TIE), -row["alpha"]

    best, best_of_all = (max(rows, key=key) for rows in (allowed, trade))
    return best["alpha"], best_of_all in allowed


def nearest(trade: Sequence[Row], best: float, most_lost: float, others: Sequence[str], within: float) -> float:
    """Return the smallest alpha that loses no more elsewhere and is no more than `within` worse than the best; better than the start, which is no equal.

    Args:
        trade, most_lost, others: as of `chosen`.
        best: the alpha that was chosen, which is returned where there is no such place, and where `within` is 0.
    """
    val = {row["alpha"]: row["val"] for row in trade}
    least = max(val[best] - within - CLOSE, val[0] + TIE)
    equals = [row["alpha"] for row in _allowed(trade, most_lost, others) if within and best and row["val"] > least]
    return min([best, *equals])


def between(trade: Sequence[Row], most_lost: float, others: Sequence[str]) -> float | None:
    """Return where else to look: below the first place beyond what is chosen that is better and loses too much, half-way to the place before it.

    None where there is no such place, or where that before it loses too much as well.

    Args:
        trade: as of `chosen`, in the order of alphas.
        most_lost, others: as of `chosen`.
    """
    alpha, _ = chosen(trade, most_lost, others)
    allowed = _allowed(trade, most_lost, others)
    val = next(row["val"] for row in trade if row["alpha"] == alpha)
    for before, row in pairwise(trade):
        if row["alpha"] > alpha and row["val"] > val + TIE and row not in allowed:
            return (before["alpha"] + row["alpha"]) / 2 if before in allowed else None
    return None


def _allowed(trade: Sequence[Row], most_lost: float, others: Sequence[str]) -> list[Row]:
    start = next(row for row in trade if row["alpha"] == 0)
    return [row for row in trade if all(row[name] >= start[name] - most_lost - CLOSE for name in others)]


def grow(model: DualEncoder, strategy: Strategy, start: Weights, tuned: Weights) -> dict[str, torch.Tensor]:
    """Put into the model, in place, what a strategy has added to the tuned one, and return the start by the names it has then."""
    strategy.prepare(model)
    strategy.merge(model)
    return begun(start, tuned)


def take(model: DualEncoder, weights: Weights) -> None:
    """Give the model these weights, as it is measured."""
    model.load_state_dict(dict(weights))
    model.eval()


def scored(model: DualEncoder, weights: Weights, watch: Watch) -> float:
    """Return what these weights get on the validation split; the model has them then."""
    take(model, weights)
    with torch.no_grad():
        return score(watch(model))
