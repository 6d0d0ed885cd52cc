"""Two versions side by side: how far apart they are on the same queries, and why not where they were asked others."""

import re
from dataclasses import replace

import numpy as np
import pytest

from components.evaluation.side_by_side import beside, page
from tests.components.evaluation.test_gate import M, evaluated, two

OURS, THEIRS = two(40, 5)


def measured(label, answers, data="d", **others):
    one = evaluated(label, {M: answers}, **others)
    return replace(one, metrics={name: {**metric, "data": data} for name, metric in one.metrics.items()})


def test_what_both_were_asked_is_compared_query_by_query():
    (row,) = beside(measured("clip@1", THEIRS), measured("clip@2", OURS))
    assert row.difference == pytest.approx(35 / 145)
    assert 0 < row.low < row.difference < row.high
    (turned,) = beside(measured("clip@2", OURS), measured("clip@1", THEIRS))
    assert (turned.difference, turned.low, turned.high) == pytest.approx(
        (-row.difference, -row.high, -row.low), abs=0.02
    )


def test_a_difference_is_the_second_less_the_first_where_less_is_better_too():
    (row,) = beside(measured("clip@1", THEIRS, better="down"), measured("clip@2", OURS, better="down"))
    assert row.difference == pytest.approx(35 / 145)
    assert row.low < row.difference < row.high
    assert "<td class=muted>worse</td>" in page(
        measured("clip@1", THEIRS, better="down"), measured("clip@2", OURS, better="down")
    )


def test_two_that_were_asked_otherwise_are_compared_and_it_is_said_how():
    def by(label, answers, method):
        one = measured(label, answers)
        return replace(one, metrics={name: {**metric, "method": method} for name, metric in one.metrics.items()})

    first = by("clip@1", THEIRS, "1 of 10 by 7 prompts")
    (row,) = beside(first, by("clip@2", OURS, "1 of 10 by 80 <prompts>"))
    assert row.low is not None
    assert row.otherwise
    said = page(first, by("clip@2", OURS, "1 of 10 by 80 <prompts>"))
    assert "better; asked in other ways: 1 of 10 by 7 prompts; and 1 of 10 by 80 &lt;prompts&gt;" in said
    assert "asked in other ways" not in page(first, by("clip@2", OURS, "1 of 10 by 7 prompts"))


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (measured("clip@2", OURS, data="e"), "measured on other data"),
        (replace(measured("clip@2", OURS), rows={}), "no row a query"),
        (measured("clip@2", OURS, names=[f"p{at}" for at in range(145)]), "not asked the same queries"),
        (evaluated("clip@2", {"other": OURS}), "only clip@1 has it"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_says_why(second, why):
    row = next(iter(beside(measured("clip@1", THEIRS), second)))
    assert row.low is None
    assert why in row.why


def test_the_page_has_every_number_and_loads_nothing():
    first, second = measured("clip@1", THEIRS, flops=2000.0), measured("clip@2", OURS, speed=3.0)
    said = page(first, second)
    assert said == page(first, second)
    for words in (
        "clip@1 and clip@2",
        M,
        "37.9%",
        "62.1%",
        "+24.1",
        "better",
        "only clip@1 has it",
        "only clip@2 has it",
        "2,000",
    ):
        assert words in said, words
    assert "src=" not in said
    assert re.findall("href=.([^'\">]*)", said) == ["#content"]


def test_equal_models_are_not_said_to_be_apart():
    same = np.arange(200) % 3 == 0
    said = page(measured("clip@1", same), measured("clip@2", same))
    assert "Of these 0 differ" in said
