"""All tunings that raced are weighed before the start is kept, and the best of what loses little is taken, whoever wins on the validation split."""

import copy

import numpy as np
import pytest
import torch

from components.contracts.evaluate import Metric
from components.contracts.evaluator import Evaluator, Findings
from components.contracts.progress import silent
from components.data.transforms.preprocess import Preprocess
from components.evaluation.adapting import advice
from components.evaluation.embedding import Embedder
from components.stages import raced as racing
from components.stages.elsewhere import Elsewhere
from components.stages.raced import raced
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

    def moved(model: torch.nn.Module) -> dict[str, float]:
        state = model.state_dict().items()  # while it trains, some weights have other names
        sides = {name[:4] for name, its in state if name in start and not torch.equal(its, start[name])}
        return {"moved": 0.5 * ("imag" in sides) + 0.4 * ("text" in sides)}

    monkeypatch.setattr(racing, "watching", lambda *_: moved)
    own = pools(squares)

    def run(chance: float = 0.0, by=("locked image", "whole"), **given):
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
    assert len(rows) == 4 * len(better), "every one that is better on val was weighed"
    assert all(row["others"] < 0.99 for row in rows)
    said = advice({**found.as_json(), "metric": "m"}, {"own": [], "elsewhere": {}})
    assert "whatever is better on val loses too much elsewhere" in said


def test_what_the_start_cannot_do_bounds_nothing(race_between):
    found, _, _ = race_between(chance=1.0, most_lost=0.01)
    assert (found.way, found.kept) == ("whole", True)
    assert "not shown to be better there than chance" in found.unbound["others"]
