"""Parts made of retrieval's rows are those that Slices measures, and what it measured is read as it is."""

import numpy as np
import pytest

from components.evaluation.bootstrap import mean_interval
from components.evaluation.sliced import Part, measured, of_retrieval

METRIC = {"chance": 0.1}
ROWS = [
    {"split": "pair", "of": "category", "asked": "image_to_text", "query": name, "queries": queries, "right": right, "low": low, "high": high,
     "baseline_right": 0.25}
    for name, queries, right, low, high in (("a cat", 60, 0.5, 0.4, 0.6), ("a dog", 40, 0.25, 0.1, 0.4), ("an owl", 3, 1.0, None, None))
]  # fmt: skip
METRICS = {f"slices.pair.category.image_to_text.{name}": METRIC for name in ("a_cat", "a_dog")}


def test_what_slices_measured_is_read_with_its_chance_and_small_parts_have_no_number():
    (found,) = measured(ROWS, METRICS)
    assert found.parts[0] == Part(name="a cat", queries=60, value=0.5, low=0.4, high=0.6, chance=0.1, baseline=0.25)
    assert [part.name for part in found.parts] == ["a cat", "a dog"]
    assert found.few == {"an owl": 3}
    assert found.whole == pytest.approx(0.4)


def retrieved(group: str, right: int, count: int, baseline: int | None = 1) -> list[dict]:
    return [
        {"direction": "image_to_text", "query": f"{group}{at}", "group": f"{group}{at}", "rank": 1 if at < right else 5, "baseline_rank": baseline}
        for at in range(count)
    ]  # fmt: skip


def test_parts_of_retrieval_are_recall_at_one_with_the_interval_that_slices_draws():
    rows = [*retrieved("cat", 20, 40), *retrieved("dog", 30, 30), *retrieved("owl", 1, 2)]
    rows += [{**row, "direction": "text_to_image"} for row in rows]
    groups = {row["query"]: row["query"].rstrip("0123456789") for row in rows}
    found = of_retrieval(rows, "pair", "category", groups, seed=3)
    assert [(part.name, part.queries, part.value, part.baseline) for part in found.parts] == [
        ("cat", 40, 0.5, 1.0),
        ("dog", 30, 1.0, 1.0),
    ]
    right = np.arange(40) < 20
    assert (found.parts[0].low, found.parts[0].high) == mean_interval(right, [f"cat{at}" for at in range(40)], 3)
    assert found.few == {"owl": 2}
    assert found.whole == pytest.approx(50 / 70)


def test_one_part_is_nothing_to_compare_and_an_unknown_baseline_stays_unknown():
    groups = {f"{name}{at}": name for name in ("cat", "dog") for at in range(40)}
    assert of_retrieval(retrieved("cat", 3, 40), "pair", "category", groups, seed=0) is None
    both = retrieved("cat", 3, 40, None) + retrieved("dog", 3, 40, None)
    found = of_retrieval(both, "pair", "category", groups, seed=0)
    assert [part.baseline for part in found.parts] == [None, None]
