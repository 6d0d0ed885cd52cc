"""Numbers of sets of others: which must not fall, in which half they bound and in which they are told, and which a start can lose at all."""

from dataclasses import replace

import pyarrow as pa
import pytest

from components.contracts.evaluate import Metric, Tally
from components.contracts.evaluator import Findings
from components.contracts.progress import silent
from components.data.evaluation_set import read_set
from components.data.transforms.preprocess import Preprocess
from components.evaluation.embedding import Embedder
from components.evaluation.retrieval import Retrieval
from components.evaluation.slices import Slices
from components.evaluation.zero_shot import ZeroShot
from components.stages.against_start import against_start
from components.stages.elsewhere import able, held_to, of_set, of_source
from tests.squares import COLOURS
from tests.their_sets import write_set

TEMPLATES = ZeroShot(label="category", prompts="templates", templates=["a {} one"], among="pools")


def test_every_number_of_a_set_must_not_fall(squares, capsys):
    both = held_to("mine", squares, [Retrieval(), TEMPLATES, ZeroShot(label="category", prompts="label")])
    assert [(one.called, one.main) for one in both] == [
        ("mine mean_recall", "retrieval.mine.mean_recall"), ("mine top1", "zero_shot.mine.category.top1"),
    ]  # fmt: skip
    (alone,) = held_to("mine", squares, [TEMPLATES])
    assert alone.called == "mine"
    assert held_to("mine", squares, [Slices(of="category")]) == []
    assert "mine is asked neither to classify by templates nor to find" in capsys.readouterr().out


def test_what_bounds_and_what_is_told_are_of_different_pictures(squares, clip, vocabulary, tmp_path):
    rows = [
        {"png": data, "cls": str(list(COLOURS).index(group["category"])).encode()}
        for data, group in zip(squares.pictures, squares.groups, strict=True)
    ]
    theirs = of_set(read_set(write_set(tmp_path / "colours", rows, list(COLOURS))))
    ours = of_source("mine", squares, [Retrieval(), TEMPLATES])
    embedder = Embedder(clip.model.eval(), vocabulary, Preprocess(size=32))
    for one in (theirs, *ours):
        assert {*one.by.pool.pictures}.isdisjoint(one.on.pool.pictures)
        assert len(one.by.pool.keys) + len(one.on.pool.keys) == 50
        assert one.by.main == one.on.main
        for half in (one.by, one.on):
            metric, found = half.found(embedder, silent)
            assert metric.name == half.main
            assert metric in found.metrics
            assert half.number(embedder, silent) == metric.value


def test_a_number_is_of_a_start_that_can_do_it_where_it_is_shown_to_be_above_chance():
    about = {"name": "m", "unit": "fraction", "better": "up", "n": 100, "chance": 0.1, "baseline": 0.1}
    assert able(Metric(value=0.2, low=0.11, high=0.3, **about), {})
    assert not able(Metric(value=0.2, low=0.1, high=0.3, **about), {})
    assert able(Metric(value=0.2, **about), {}), "of one group alone there is no interval"


@pytest.mark.parametrize(
    ("right", "low", "can"),
    [
        ((40, 30, 0, 0, 0, 0, 0, 0, 0, 0), 0.13, False),  # as micro_clip names digits: all sevens, most ones
        ((4, 12, 9, 6, 3, 8, 2, 7, 10, 9), 0.13, True),  # as many, of many classes
        ((8, 8, 8, 8, 8, 8, 8, 8, 8, 8), 0.09, False),  # classes are alike, and pictures too few
        ((40, 40, 0, 0), 0.43, False),
        ((40, 15, 0), 0.38, True),  # of few classes pictures alone are drawn
        ((30,), 0.6, True),
        ((30,), 0.4, False),
    ],
)
def test_classes_that_are_named_rightly_by_chance_are_none_that_a_start_can_tell(
    right: tuple[int, ...], low: float, can: bool
):
    metric, rows = named(right, low)
    assert able(metric, rows) == can


def test_of_prompts_alone_their_own_ranks_are_counted():
    metric, rows = named((40, 30, 0, 0, 0), 0.9)
    assert not able(metric, rows)
    (tally,) = metric.tallies
    assert able(replace(metric, tallies=(replace(tally, column="one_prompt_rank"),)), rows)


def test_what_a_start_names_by_chance_is_said_to_be_nothing_to_lose():
    (metric, rows), (_, after) = named((40, 30, 0, 0, 0), 0.31), named((10, 10, 10, 10, 10), 0.2)
    metric = replace(metric, data="same")
    held = against_start(Findings(metrics=(metric,), rows=after), Findings(metrics=(metric,), rows=rows), 0)
    (line,) = held["elsewhere"]["digits"]
    assert (line["able"], line["difference"]) == (False, pytest.approx(-0.1))


def named(right: tuple[int, ...], low: float) -> tuple[Metric, dict[str, pa.Table]]:
    """Return top-1 among classes of 40 pictures, of which so many are right, with its rows, among those of another label that is never right."""
    rows = {
        "query": [f"{label}/{place}" for label in range(len(right)) for place in range(40)],
        "group": [f"{label}/{place}" for label in range(len(right)) for place in range(40)],
        "label": [f"class {label}" for label in range(len(right)) for _ in range(40)],
        "rank": [1 if place < of else 2 for of in right for place in range(40)],
    }
    many = len(rows["rank"])
    both = [pa.table({**rows, "set": ["category"] * many, "one_prompt_rank": [1] * many})]
    both.append(pa.table({**rows, "set": ["colour"] * many, "rank": [3] * many, "one_prompt_rank": [3] * many}))
    metric = Metric(
        name="zero_shot.digits.category.top1", value=sum(right) / many, low=low, high=1.0, unit="fraction", better="up", n=many, chance=1 / max(2, len(right)),
        baseline=0.0, tallies=(Tally(rows="zero_shot.digits", where={"set": "category"}, column="rank", at_most=1),),
    )  # fmt: skip
    return metric, {"zero_shot.digits": pa.concat_tables(both)}
