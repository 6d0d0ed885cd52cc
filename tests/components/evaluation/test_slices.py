"""Slices of a model that takes the large red squares for green ones, so that every share can be counted."""

from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest

from components.contracts.errors import ConfigError, DataError
from components.evaluation.outcomes import Evaluated, incomparable
from components.evaluation.slices import Slices, gap, gap_by_chance
from components.evaluation.zero_shot import ZeroShot
from tests.squares import COLOURS, PLACES
from tests.subjects import Told, subject_of

AXES = [*COLOURS, *PLACES]
SPLITS = {"train": range(50), "pair": range(50)}


def direction(words) -> list[float]:
    return [float(name in words) for name in AXES]


@pytest.fixture
def model(squares) -> Told:
    def seen(source: str, name: str) -> str:
        return name.replace("red", "green") if source == "size-16" else name

    pictures = {
        data: direction(seen(source, name).split())
        for data, source, (name,) in zip(squares.pictures, squares.sources, squares.captions, strict=True)
    }
    texts = {name for (name,) in squares.captions} | set(COLOURS)
    return Told(pictures, {text: direction(text.split()) for text in texts})


def measured(pool, model, **settings):
    found = Slices(**settings).measure(subject_of(pool, model, model, SPLITS))
    return {metric.name.removeprefix("slices.pair."): metric for metric in found.metrics}, found


def test_by_maker_the_large_ones_fare_worse(squares, model):
    metrics, found = measured(squares, model, of="source", asks=ZeroShot(prompts="label"), floor=25)
    for asked in ("image_to_text", "category"):
        small, large, its = (metrics[f"source.{asked}.{one}"] for one in ("size_12", "size_16", "gap"))
        assert (small.value, large.value, small.n, large.n) == (1, pytest.approx(20 / 25), 25, 25)
        assert its.value == pytest.approx(45 / 50 - 20 / 25)
        assert (its.better, its.n, its.baseline) == ("down", 50, 0)
        assert 0 <= its.low < its.value < its.high
        assert large.low < large.value < large.high
        assert large.chance == pytest.approx(1 / 25 if asked == "image_to_text" else 1 / 5)
        assert "from size-16, the worst of 2" in its.method
    assert found.without == {
        "slices.pair.source.text_to_image": "pair has 0 slices of source with 25 queries or more, so there is nothing to compare"
    }, "each text has a picture of both"


def test_two_models_can_be_compared_on_a_slice_query_by_query(squares, model):
    metrics, found = measured(squares, model, of="source", asks=ZeroShot(prompts="label"), floor=25)
    ours = Evaluated(
        label="one", metrics={one.name: {**one.as_json(), "data": "d"} for one in metrics.values()}, rows=found.rows
    )
    name = "slices.pair.source.image_to_text.size_16"
    (tally,) = ours.tallies(name)
    counted = ours.counted(tally)
    assert len(counted) == 25
    assert set(counted["query"].to_pylist()) == {
        key for key, source in zip(squares.keys, squares.sources, strict=True) if source == "size-16"
    }
    assert np.mean(counted["value"].to_numpy()) == metrics["source.image_to_text.size_16"].value == 20 / 25
    assert incomparable(ours, ours, name) == ""
    assert incomparable(ours, ours, "slices.pair.source.image_to_text.gap") == "no row a query", "it is no mean"
    spoken = replace(
        squares, captions=tuple((*texts, "it") for texts in squares.captions), languages=(("en", "de"),) * 50
    )
    told = Told(model.of_pictures, {**model.of_texts, "it": direction(["blue"])})
    metrics, found = measured(spoken, told, of="language", floor=1, together={"both": ["de", "en"]})
    assert metrics["language.image_to_text.both"].tallies == (), "each picture would count twice"
    rows = found.rows["slices.pair.language"].filter(
        pc.equal(found.rows["slices.pair.language"]["asked"], "image_to_text")
    )
    assert len(rows) == 200, "a picture is asked in both languages, and in both together"
    for language in ("en", "de"):
        (tally,) = metrics[f"language.image_to_text.{language}"].tallies
        assert tally.where == {"asked": "image_to_text", "slice": language}


def test_by_kind_red_pictures_and_green_texts_fare_worse(squares, model):
    metrics, found = measured(squares, model, of="category", floor=5)
    assert {one: metrics[f"category.image_to_text.{one}"].value for one in COLOURS} == {
        "red": 0.5, "green": 1, "blue": 1, "black": 1, "pink": 1,
    }  # fmt: skip
    assert metrics["category.image_to_text.gap"].value == pytest.approx(45 / 50 - 0.5)
    assert metrics["category.text_to_image.green"].value == 0, "a large red square is as near"
    assert metrics["category.text_to_image.gap"].value == pytest.approx(20 / 25)
    assert found.without == {}


def test_a_picture_looks_for_its_text_among_those_of_a_language(squares, model):
    spoken = tuple(("en" if name.split()[1] in ("red", "green") else "de",) for (name,) in squares.captions)
    metrics, found = measured(replace(squares, languages=spoken), model, of="language", floor=10, asks=ZeroShot())
    assert {one: (metric.value, metric.n) for one, metric in metrics.items()} == {
        "language.image_to_text.de": (1, 30), "language.image_to_text.en": (pytest.approx(0.75), 20),
        "language.image_to_text.gap": (pytest.approx(45 / 50 - 0.75), 50),
        "language.text_to_image.de": (1, 15), "language.text_to_image.en": (0.5, 10),
        "language.text_to_image.gap": (pytest.approx(20 / 25 - 0.5), 25),
    }  # fmt: skip
    assert metrics["language.image_to_text.en"].chance == pytest.approx(1 / 10), "of ten English texts one is right"
    assert [row["query"] for row in found.rows["slices.pair"].to_pylist()] == ["de", "en"] * 2
    assert (
        "0 slices of language"
        in measured(squares, model, of="language")[1].without["slices.pair.language.text_to_image"]
    )


def test_kinds_of_text_are_slices_too_and_of_a_picture_with_several_any_is_right(squares, model):
    told = replace(
        squares,
        captions=tuple((name, name.split()[1]) for (name,) in squares.captions),
        concepts=tuple(name.split()[1] for (name,) in squares.captions),
        kinds=(("reference", "alt"),) * 50, languages=(("en", "en"),) * 50,
    )  # fmt: skip
    metrics, _ = measured(told, model, of="text_kind", floor=1)
    assert {one: (metric.value, metric.n) for one, metric in metrics.items() if "gap" not in one} == {
        "text_kind.image_to_text.alt": (0.9, 50), "text_kind.image_to_text.reference": (0.9, 50),
        "text_kind.text_to_image.alt": (0.8, 5), "text_kind.text_to_image.reference": (0.8, 25),
    }  # fmt: skip
    assert metrics["text_kind.image_to_text.reference"].chance == pytest.approx(5 / 25), "all five texts of its colour"
    assert metrics["text_kind.image_to_text.alt"].chance == pytest.approx(1 / 5)


def test_slices_may_have_a_number_together(squares, model):
    joined = {"warm": ["red", "pink", "orange"], "cold": ["green", "blue"]}
    metrics, found = measured(squares, model, of="category", floor=5, together=joined)
    warm, cold = (metrics[f"category.image_to_text.{one}"] for one in joined)
    assert (warm.value, warm.n, cold.value, cold.n) == (0.75, 20, 1, 20)
    assert warm.tallies[0].where == {"asked": "image_to_text", "slice": "warm"}
    rows = found.rows["slices.pair.category"].to_pylist()
    its = [row["right"] for row in rows if (row["asked"], row["slice"]) == ("image_to_text", "warm")]
    assert (len(its), np.mean(its)) == (20, warm.value)
    assert warm.low < warm.value < warm.high
    assert metrics["category.image_to_text.gap"].n == 50, "they are none of the gap's"
    assert "no query is of orange" in found.without["slices.pair.category.image_to_text.warm"]
    with pytest.raises(ConfigError, match="together has gap"):
        Slices(together={"gap": ["red"]})


def test_small_slices_are_named_counted_in_the_rows_and_left_out_of_the_gap(squares, model):
    groups = tuple(
        {**group, "kind": group["category"] if place % 10 < 6 else "rest"} for place, group in enumerate(squares.groups)
    )
    metrics, found = measured(replace(squares, groups=groups), model, of="kind", floor=7)
    assert metrics == {}
    assert found.without["slices.pair.kind.image_to_text"] == (
        "pair has 1 slices of kind with 7 queries or more, so there is nothing to compare (black 6, blue 6, green 6, pink 6, red 6)"
    )
    some = tuple({"kind": "few" if place < 3 else "one" if place < 20 else "other"} for place in range(50))
    metrics, found = measured(replace(squares, groups=some), model, of="kind", floor=10)
    assert found.without["slices.pair.kind.image_to_text"] == "fewer than 10 queries: few 3"
    assert metrics["kind.image_to_text.gap"].n == 47
    rows = {row["query"]: row for row in found.rows["slices.pair"].to_pylist() if row["asked"] == "image_to_text"}
    assert {one: (row["queries"], row["low"] is None) for one, row in rows.items()} == {
        "few": (3, True), "one": (17, False), "other": (30, False),
    }  # fmt: skip


def test_zero_shot_of_what_has_no_group_is_said_and_retrieval_is_measured(squares, model):
    metrics, found = measured(replace(squares, groups=()), model, of="source", asks=ZeroShot(), floor=25)
    said = "no picture has a category, so there is nothing to choose from"
    assert found.without["slices.pair.source.category"] == said
    assert "source.image_to_text.gap" in metrics


@pytest.mark.parametrize(("among", "choices"), [("all", 5), ("pools", 2)])
def test_there_is_to_choose_from_what_zero_shot_is_told(squares, model, among, choices):
    """Training pictures are of all five colours, and those that are measured of two."""
    subject = subject_of(squares, model, model, {"train": range(50), "pair": range(20)})
    found = Slices(of="category", floor=5, asks=ZeroShot(prompts="label", among=among)).measure(subject)
    chances = {metric.name: metric.chance for metric in found.metrics}
    assert chances["slices.pair.category.category.red"] == pytest.approx(1 / choices)


def test_of_a_model_of_unknown_training_the_baseline_is_chance(squares, model):
    subject = subject_of(squares, model, model, {"train": [], "pair": range(50)})
    found = Slices(of="source", floor=25, asks=ZeroShot(prompts="label")).measure(subject)
    assert {metric.name.split(".")[3] for metric in found.metrics} == {"image_to_text", "category"}
    assert all(metric.baseline == metric.chance for metric in found.metrics)
    assert set(found.rows["slices.pair"]["baseline_right"].to_pylist()) == {None}


def test_names_of_slices_fit_into_names_of_metrics(squares, model):
    groups = tuple({"kind": "Smileys & Emotion" if place % 2 else "Food & Drink"} for place in range(50))
    metrics, _ = measured(replace(squares, groups=groups), model, of="kind", floor=25)
    assert {"kind.image_to_text.Smileys_Emotion", "kind.image_to_text.Food_Drink"} <= set(metrics)
    assert metrics["kind.image_to_text.Food_Drink"].method == "R@1, of Food & Drink"


def of_languages(squares, *names):
    """Return the squares by a programming language each: twenty, ten and twenty of them."""
    return replace(squares, groups=tuple({"kind": names[0 if at < 20 else 1 if at < 30 else 2]} for at in range(50)))


def test_slices_whose_numbers_would_be_called_alike_are_named_with_what_helps(squares, model):
    """They ended the evaluation once all was computed, with the advice to take an evaluator out."""
    pool = of_languages(squares, "c++", "c#", "c")
    said = r"slices of pair by kind, the numbers of 'c#' and 'c\+\+' would each be called c_.*in the data, or set floor to 11,"
    with pytest.raises(DataError, match=said):
        measured(pool, model, of="kind", floor=10)
    metrics, _ = measured(pool, model, of="kind", floor=11)
    assert metrics["kind.image_to_text.c_"].method == "R@1, of c++"
    with pytest.raises(DataError, match=r"'gap' and 'gap' would each be called gap, .*set floor to 21,"):
        measured(of_languages(squares, "gap", "rust", "c"), model, of="kind", floor=10)


@pytest.mark.parametrize(
    ("together", "other"),
    [("c", "c"), ("rust", "rust"), ("c-", "c#")],
    ids=["a slice", "a small slice", "called alike"],
)
def test_slices_together_are_called_as_no_other_number_is(squares, model, together, other):
    pool = of_languages(squares, "c#", "rust", "c")
    with pytest.raises(
        ConfigError, match=f"together has '{together}', but .* '{other}' is called so already.*Give it another"
    ):
        measured(pool, model, of="kind", floor=11, together={together: ["c#", "rust"]})


def test_a_gap_by_hand():
    assert gap(np.array([1, 1, 1, 0, 1, 1]) > 0, [2, 2, 2]) == pytest.approx(5 / 6 - 1 / 2)
    assert gap(np.ones(6) > 0, [4, 2]) == 0


def test_slices_that_are_drawn_blindly_show_the_gap_of_chance():
    draw = np.random.default_rng(3)
    right = np.arange(200) < 120
    shown = [gap(draw.permutation(right), [100, 60, 40]) for _ in range(400)]
    assert gap_by_chance(right, [100, 60, 40], seed=0) == pytest.approx(np.mean(shown), rel=0.1)
    assert gap_by_chance(np.ones(200) > 0, [100, 100], seed=0) == 0
    assert gap_by_chance(right, [100, 60, 40], 0) == gap_by_chance(right[::-1], [100, 60, 40], 0)


def test_a_floor_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="floor is 0, but a slice needs a query"):
        Slices(floor=0)
