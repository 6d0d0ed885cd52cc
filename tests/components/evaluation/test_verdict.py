"""Verdicts by hand: Student's interval, a word by where the margin lies, and nothing said of what cannot be."""

import random

import pytest

from components.contracts.errors import DataError
from components.evaluation.verdict import held_by_chance, judged, together


def test_the_interval_is_students():
    verdict = judged([1.0, 2.0, 3.0], at_least=0.0)
    # deviation 1, so the error of the mean is 1/sqrt(3); t of 2 degrees of freedom at 95% is 2.92
    assert verdict.mean == pytest.approx(2.0)
    assert verdict.low == pytest.approx(2 - 2.92 / 3**0.5, abs=1e-3)
    assert verdict.high == pytest.approx(2 + 2.92 / 3**0.5, abs=1e-3)
    assert verdict.seeds == 3


@pytest.mark.parametrize(
    ("margin", "outcome"),
    [({"at_least": 0.3}, "holds"), ({"at_least": 2.0}, "underpowered"), ({"at_least": 3.8}, "does not hold"),
     ({"at_most": 3.8}, "holds"), ({"at_most": 2.0}, "underpowered"), ({"at_most": 0.3}, "does not hold")],
)  # fmt: skip
def test_the_word_is_where_the_margin_lies(margin, outcome):
    assert judged([1.0, 2.0, 3.0], **margin).outcome == outcome


def test_seeds_that_agree_have_no_interval_and_a_margin_that_is_reached_holds():
    verdict = judged([0.5, 0.5], at_least=0.5)
    assert (verdict.low, verdict.high, verdict.outcome) == (0.5, 0.5, "holds")


def test_more_seeds_tell_what_few_could_not():
    few, many = [0.0, 2.0], [0.0, 2.0] * 10
    assert judged(few, at_least=0.5).outcome == "underpowered"
    assert judged(many, at_least=0.5).outcome == "holds"


@pytest.mark.parametrize("values", [[], [1.0], [1.0, float("nan")], [1.0, float("inf")]])
def test_of_one_seed_or_of_no_number_nothing_is_said(values):
    with pytest.raises(DataError, match="no interval"):
        judged(values, at_least=0.0)


@pytest.mark.parametrize(
    ("outcomes", "word"),
    [
        (["holds", "holds"], "holds"),
        (["holds", "underpowered"], "underpowered"),
        (["underpowered", "does not hold"], "does not hold"),
    ],
)
def test_all_claims_must_hold(outcomes, word):
    assert together(outcomes) == word


def test_a_verdict_reads_as_a_sentence():
    assert str(judged([1.0, 2.0, 3.0], at_least=0.0)) == "holds: 2 (0.3141 to 3.686, 3 seeds)"


def test_of_equal_trainings_one_in_twenty_is_called_better():
    """Student's interval has 5% on either side where values are normal; a margin leaves fewer, and more choices than are made are drawn."""
    luck = random.Random(0)
    apart = [luck.gauss(0.0, 0.03) for _ in range(60)]
    assert held_by_chance(apart, 3, 0.0) == pytest.approx(0.05, abs=0.02)
    assert held_by_chance(apart, 3, 0.02) < held_by_chance(apart, 3, 0.0)
    assert held_by_chance(apart[:20], 3, 0.0) == pytest.approx(held_by_chance(apart[:20], 3, 0.0, most=1_000), abs=0.02)
    assert held_by_chance([0.8, 0.81, 0.79, 0.8], 3, 0.0) == 0.5, (
        "always on one side, which is one of the two ways round"
    )


@pytest.mark.parametrize(("count", "seeds"), [(2, 3), (3, 1)])
def test_too_few_trainings_tell_nothing_of_chance(count, seeds):
    with pytest.raises(DataError, match=f"{count} seeds were trained twice, and claims have {seeds}"):
        held_by_chance([0.0] * count, seeds, 0.0)
