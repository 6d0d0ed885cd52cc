"""All tunings that raced are weighed before the start is kept, and the best of what loses little is taken, whoever wins on the validation split."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from components.contracts.evaluate import Metric
from components.contracts.evaluator import Evaluator, Findings
from components.contracts.progress import silent
from components.data.transforms.preprocess import Preprocess
from components.evaluation.adapting import advice
from components.evaluation.embedding import Embedder
from components.finetuning.labels.choice import choice_of
from components.finetuning.labels.way import TIE
from components.finetuning.race import Heat
from components.finetuning.strategy import ALPHAS
from components.stages import raced as racing
from components.stages.elsewhere import Elsewhere
from components.stages.raced import one_query, raced
from components.stages.weighed import NEARER, Scales, between, chosen
from tests.components.stages.test_adapt import pools
from tests.subjects import part_of


class Remembered(Evaluator):
    """The share of a set's pictures whose vectors are what they were at first."""

    def __init__(self, chance: float = 0.0) -> None:
        self.chance, self.first = chance, None

    def measure(self, subject):
        (name,) = subject.pools
        rows = subject.embedded(name)
        self.first = rows if self.first is None else self.first
        value = float(np.isclose(rows, self.first, atol=1e-6).all(1).mean())
        return Findings(
            metrics=(Metric(name="same", value=value, unit="fraction", better="up", n=len(rows), chance=self.chance, baseline=0.0),)
        )  # fmt: skip


@pytest.fixture
def race_between(clip, vocabulary, squares, tmp_path, monkeypatch):
    """Race the whole, which moves both sides and wins on val, against the texts alone, which move one and come second."""
    start = copy.deepcopy(clip.model.state_dict())
    embedder = Embedder(clip.model, vocabulary, Preprocess(size=32))

    own = pools(squares)

    def run(chance: float = 0.0, by=("locked image", "whole"), size: float = 1.0, **given):

        def moved(model: torch.nn.Module) -> dict[str, float]:
            state = model.state_dict().items()  # while it trains, some weights have other names
            sides = {name[:4] for name, its in state if name in start and not torch.equal(its, start[name])}
            return {"moved": size * (0.5 * ("imag" in sides) + 0.4 * ("text" in sides))}

        monkeypatch.setattr(racing, "watching", lambda *_: moved)
        elsewhere = Elsewhere(name="others", pool=part_of(squares, range(10)), asks=Remembered(chance), main="same")
        found = raced(
            embedder, own["train"], own["val"], [elsewhere], digest="a" * 64, budget_s=600.0, seed=0, folder=tmp_path / "heats", progress=silent, batch=10,
            by=by, most_steps=8, **given,
        )  # fmt: skip
        return found, {name: its.clone() for name, its in embedder.model.state_dict().items()}, start

    return run


def test_where_the_winner_forgets_the_second_is_taken(race_between):
    found, weights, start = race_between(most_lost=0.01)
    best = max(found.heats, key=lambda heat: heat.score)
    assert best.name == "whole", "which nobody may take"
    assert (found.way, found.alpha, found.kept) == ("locked image", 0.25, False)
    assert [(row["val"], row["others"]) for row in found.trade] == [(0.0, 1.0)] + [(0.4, 1.0)] * 4
    assert {row["others"] for row in found.passed_over["whole"][1:]} == {0.0}
    moved = {name for name, its in weights.items() if not torch.equal(its, start[name])}
    assert moved
    assert not any(name.startswith("image") for name in moved)
    assert found.heats[-1].name == "locked image", "the one that was taken stands last"


def test_where_the_winner_may_be_taken_no_other_is_weighed(race_between):
    found, _, _ = race_between(most_lost=1.0)
    assert (found.way, found.kept, found.passed_over) == ("whole", True, {})


def test_where_all_forget_the_start_stays_and_the_sentence_is_true(race_between):
    found, weights, start = race_between(most_lost=0.01, by=("locked text", "whole"))
    assert (found.way, found.alpha, found.kept) == ("start", 0.0, False)
    assert all(torch.equal(its, start[name]) for name, its in weights.items())
    better = {heat.name for heat in found.heats if heat.score > found.trade[0]["val"]}
    rows = [*found.trade[1:], *(row for its in found.passed_over.values() for row in its[1:])]
    assert len(rows) == (4 + NEARER) * len(better), "every one that is better on val was weighed"
    assert all(row["others"] < 0.99 for row in rows)
    said = advice({**found.as_json(), "metric": "m"}, {"own": [], "elsewhere": {}})
    assert "whatever is better on val loses too much elsewhere" in said


class Moved(Evaluator):
    """Loses as much as a weight of the model has moved."""

    def __init__(self, moved) -> None:
        self.moved = moved

    def measure(self, subject):
        metric = Metric(name="kept", value=1 - self.moved(), unit="fraction", better="up", n=10, chance=0.0, baseline=0.0)  # fmt: skip
        return Findings(metrics=(metric,))


@pytest.fixture
def scales(clip, vocabulary, squares):
    """What weighs a tuning that moves one weight by 1: `val` is how far it has moved, and so is what is lost elsewhere."""
    model = clip.model
    start = {name: its.clone() for name, its in model.state_dict().items()}
    name = next(name for name, its in start.items() if name.startswith("image_projection.") and its.ndim == 2)

    def moved() -> float:
        return float(model.state_dict()[name][0, 0] - start[name][0, 0])

    elsewhere = Elsewhere(name="others", pool=part_of(squares, range(10)), asks=Moved(moved), main="kept")
    tuned = {of: its.clone() for of, its in start.items()}
    tuned[name][0, 0] += 1

    def of(most_lost: float) -> tuple[Scales, dict]:
        embedder = Embedder(model, vocabulary, Preprocess(size=32))
        return Scales.of(embedder, start, lambda _: {"moved": moved()}, [elsewhere], most_lost, silent), tuned

    return of


@pytest.mark.parametrize(
    ("most_lost", "looked", "alpha"),
    [
        (0.45, [0.375, 0.4375], 0.4375),
        (0.40, [0.375, 0.4375], 0.375),
        (0.30, [0.3125, 0.375], 0.25),
        (0.10, [0.0625, 0.125], 0.0625),
        (0.90, [0.875, 0.9375], 0.875),
        (1.10, [], 1.0),
    ],
)
def test_where_the_best_place_loses_too_much_it_is_looked_at_nearer_to_it(scales, most_lost, looked, alpha):
    weighing, tuned = scales(most_lost)
    found = weighing.weigh(Heat(name="whole", steps=8, score=1.0, seconds=1.0), tuned, None)
    alphas = [row["alpha"] for row in found.trade]
    assert alphas == sorted([*ALPHAS, *looked])
    assert found.alpha == alpha
    assert [row["val"] for row in found.trade] == pytest.approx(alphas, abs=1e-6)


@pytest.mark.parametrize("of", range(1, 101))
def test_a_place_that_loses_exactly_what_is_allowed_may_be_taken_however_its_number_is_rounded(of):
    rows = [{"alpha": 0.0, "val": 0.1, "others": of / 100}, {"alpha": 1.0, "val": 0.4, "others": (of - 1) / 100}]
    assert chosen(rows, 0.01, ["others"]) == (1.0, True)
    rows[1]["others"] -= 1e-6
    assert chosen(rows, 0.01, ["others"]) == (0.0, False)


def test_nobody_looks_nearer_where_the_best_place_may_be_taken():
    rows = [{"alpha": alpha, "val": val, "others": others} for alpha, val, others in ((0.0, 0.1, 0.6), (0.5, 0.3, 0.5), (1.0, 0.4, 0.6))]  # fmt: skip
    assert between(rows, 0.01, ["others"]) is None, "though a place on the way loses too much"


@pytest.mark.parametrize(
    ("trade", "wanted"),
    [
        (((0.1, 1), (0.3, 0), (0.4, 0), (0.5, 0), (0.6, 0)), 0.125),
        (
            ((0.1, 1), (0.3, 1), (0.2, 1), (0.5, 0), (0.6, 0)),
            0.625,
        ),  # the place before it, and not the one that is chosen
        (((0.1, 1), (0.6, 0), (0.3, 1), (0.4, 1), (0.5, 0)), 0.875),  # what is better lies beyond what is chosen
        (((0.1, 1), (0.5, 1), (0.45, 0), (0.48, 1), (0.6, 0)), 0.875),  # and what loses too much and is worse is no end
        (((0.1, 1), (0.5, 1), (0.45, 0), (0.6, 0), (0.7, 0)), None),
        (((0.1, 1), (0.5, 1), (0.5, 0), (0.4, 0), (0.2, 0)), None),
        (((0.1, 1), (0.3, 0), (0.3, 1), (0.2, 1), (0.1, 1)), None),
        (((0.1, 1), (0.5, 1), (0.5 + TIE, 0), (0.5 + TIE, 0), (0.5, 0)), None),  # what is only surer is not better
    ],
)
def test_it_is_looked_at_below_the_first_place_that_is_better_and_loses_too_much(trade, wanted):
    rows = [{"alpha": alpha, "val": val, "others": kept} for alpha, (val, kept) in zip(ALPHAS, trade, strict=True)]
    assert between(rows, 0.01, ["others"]) == wanted


def test_of_a_tuning_the_nearest_of_equals_is_taken_and_the_best_is_what_it_is_compared_by(scales):
    weighing, tuned = scales(1.1)
    found = replace(weighing, within=0.3).weigh(Heat(name="whole", steps=8, score=1.0, seconds=1.0), tuned, None)
    assert (found.alpha, found.reached) == (0.75, pytest.approx(1.0, abs=1e-6))


def test_what_one_query_is_worth_counts_where_captions_are_asked_for_and_not_of_labels(
    race_between, squares, monkeypatch
):
    asked, of = [], Scales.of
    monkeypatch.setattr(racing.Scales, "of", lambda *given: asked.append(given[-1]) or of(*given))
    race_between(most_lost=1.0)
    own = pools(squares)
    monkeypatch.setattr(racing, "watching_labels", racing.watching)
    race_between(most_lost=1.0, choice=choice_of(own, "labels"))
    assert asked == [one_query(own["val"]), 0.0]
    assert asked[0] > 0


def test_who_is_better_by_one_query_alone_is_weighed_where_the_winner_forgets(race_between):
    found, _, _ = race_between(most_lost=0.01, size=0.1)
    assert (found.way, found.alpha, found.kept) == ("locked image", 0.25, False)
    assert found.trade[1]["val"] == pytest.approx(0.04), "a query is 0.05"


def test_what_the_start_cannot_do_bounds_nothing(race_between):
    found, _, _ = race_between(chance=1.0, most_lost=0.01)
    assert (found.way, found.kept) == ("whole", True)
    assert "not shown to be better there than chance" in found.unbound["others"]
