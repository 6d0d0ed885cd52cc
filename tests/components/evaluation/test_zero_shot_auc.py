"""AUC of findings by hand: pictures whose cosines are told, and pairs that can be counted."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from components.contracts.errors import ConfigError
from components.evaluation.zero_shot_auc import ZeroShotAuc, added, aucs
from tests.placed import pool_of, region, subject
from tests.subjects import Told, subject_of

DOG, CAT, COW = (region(name, (0, 0, 4, 4)) for name in ("dog", "cat", "cow"))
TEXTS = {"dog": (1, 0, 0), "cat": (0, 1, 0), "cow": (0, 0, 1)}


def told(*pictures: tuple[float, ...]) -> Told:
    return Told({str(number).encode(): one for number, one in enumerate(pictures)}, TEXTS)


def leaning(dog: float, cat: float) -> tuple[float, float, float]:
    """Return a picture whose cosines with dog and cat are these, and with cow what is left."""
    return dog, cat, (1 - dog**2 - cat**2) ** 0.5


def measured(pool, model: Told, **settings):
    blind = replace(pool, captions=tuple(("",) for _ in pool.keys))
    model_of = subject(model, val=pool)
    model_of.train = blind  # names nothing, so that the baseline has every picture as near as any other
    model_of._described["val"] = np.ones((len(pool), 1), np.float32)
    model_of._known = np.ones((len(pool), 1), np.float32)
    return ZeroShotAuc(**settings).measure(model_of)


def test_four_pictures_by_hand():
    """Dogs are 0 and 1, others 2 and 3. Of the pairs .9>.5 .9>.1 .3<.5 .3>.1 three are in order. Cats are 1, 2 and 3: .2<.4 .4=.4 .6>.4."""
    pool = pool_of([DOG], [DOG, CAT], [CAT], [CAT])
    (metric,) = measured(pool, told(leaning(0.9, 0.4), leaning(0.3, 0.2), leaning(0.5, 0.4), leaning(0.1, 0.6))).metrics
    assert (metric.name, metric.n, metric.chance, metric.baseline) == ("zero_shot_auc.val.things", 4, 0.5, 0.5)
    assert metric.value == pytest.approx((3 / 4 + 1.5 / 3) / 2)


def test_every_finding_has_a_row_with_its_own_number():
    pool = pool_of([DOG], [DOG, CAT], [CAT], [CAT])
    found = measured(pool, told(leaning(0.9, 0.4), leaning(0.3, 0.2), leaning(0.5, 0.4), leaning(0.1, 0.6)))
    rows = found.rows["zero_shot_auc.val"].to_pylist()
    assert [(row["query"], row["auc"], row["with"], row["without"]) for row in rows] == [
        ("cat", pytest.approx(0.5), 3, 1), ("dog", pytest.approx(0.75), 2, 2),
    ]  # fmt: skip
    assert {row["of"] for row in rows} == {"things"}


def test_pairs_counted_one_by_one_are_the_area():
    draw = np.random.default_rng(0)
    has, scores = draw.random((40, 3)) < 0.4, draw.integers(0, 6, (40, 3)) / 6  # with many ties
    counted = []
    for column in range(3):
        there, gone = scores[has[:, column], column], scores[~has[:, column], column]
        counted.append(np.mean([(a > b) + (a == b) / 2 for a, b in itertools.product(there, gone)]))
    np.testing.assert_allclose(aucs(has, scores), counted, rtol=1e-12)


def test_a_finding_that_every_picture_has_or_none_is_left_out_and_counted():
    pool = pool_of([DOG, COW], [CAT, COW])
    (metric,) = measured(pool, told((1, 0, 0), (0, 1, 0))).metrics
    assert metric.value == 1
    assert "mean of 2 classes" in metric.method
    assert "1 of 3 left out" in metric.method


def test_a_picture_of_which_nothing_was_found_is_one_without():
    (metric,) = measured(pool_of([DOG], []), told((1, 0, 0), (0, 1, 0))).metrics
    assert (metric.value, metric.n) == (1, 2)


def test_each_finding_counts_the_same_however_rare():
    pool = pool_of([DOG, CAT], *[[CAT]] * 6, [])
    wrong_of_dogs = told((0, 1, 0), *[(1, 1, 0)] * 6, (1, 0, 0))
    (metric,) = measured(pool, wrong_of_dogs).metrics
    assert metric.value == pytest.approx((0 + 1) / 2)


def test_groups_of_a_label_are_findings_and_pictures_without_one_are_left_out(squares):
    colours = [group["category"] for group in squares.groups]
    axes = {colour: place for place, colour in enumerate(sorted(set(colours)))}
    right = Told(
        {data: np.eye(5)[axes[colour]] for data, colour in zip(squares.pictures, colours, strict=True)},
        {f"a {colour}": np.eye(5)[axes[colour]] for colour in axes},
    )
    groups = tuple({} if place == 1 else group for place, group in enumerate(squares.groups))
    pool = replace(squares, groups=groups)
    found = ZeroShotAuc(of="category", template="a {}").measure(
        subject_of(pool, right, right, {"train": range(0, 50, 2), "val": range(1, 50, 2)})
    )
    (metric,) = found.metrics
    assert (metric.name, metric.value, metric.n) == ("zero_shot_auc.val.category", 1, 24)
    assert metric.baseline > 0.75, "the other size of each square was trained on"
    assert "'a {}'" in metric.method


def test_the_baseline_lends_what_captions_of_the_nearest_training_picture_name(squares):
    """Trained on one size of each square, whose captions name its colour; regions say it of the others."""
    named = tuple((region(group["category"], (0, 0, 4, 4)),) for group in squares.groups)
    colours = sorted({group["category"] for group in squares.groups})
    blind = Told(dict.fromkeys(squares.pictures, (1.0, 0.0)), dict.fromkeys(colours, (1.0, 0.0)))
    splits = {"train": range(0, 50, 2), "val": range(1, 50, 2)}
    (metric,) = ZeroShotAuc().measure(subject_of(replace(squares, regions=named), blind, blind, splits)).metrics
    assert metric.value == 0.5
    assert metric.baseline > 0.75
    unsaid = replace(squares, regions=named, captions=tuple(("reddish",) for _ in squares.keys))
    (metric,) = ZeroShotAuc().measure(subject_of(unsaid, blind, blind, splits)).metrics
    assert metric.baseline == 0.5, "a part of a word names nothing"


@pytest.mark.parametrize(
    ("pool", "of", "what", "why"),
    [
        (pool_of([], []), "things", "zero_shot_auc.val.things", "no region has a name"),
        (pool_of([DOG], [CAT]), "diagnosis", "zero_shot_auc.val.diagnosis", "no picture has a diagnosis"),
        (pool_of([DOG], [DOG]), "things", "zero_shot_auc.val.things", "every picture of val has the same"),
    ],
    ids=["no regions", "unknown label", "all the same"],
)
def test_what_cannot_be_measured_is_said(pool, of, what, why):
    found = measured(pool, told((1, 0, 0), (0, 1, 0)), of=of)
    assert found.metrics == ()
    assert why in found.without[what]


def test_a_template_that_asks_nothing_is_refused():
    with pytest.raises(ConfigError, match="once where its name goes"):
        ZeroShotAuc(template="a finding")


def test_a_split_of_which_nothing_is_known_is_named():
    model = told((1, 0, 0), (0, 1, 0))
    found = ZeroShotAuc().measure(subject(model, val=pool_of([], []), pair=pool_of([], [])))
    assert found.metrics == ()
    model_of = subject(model, val=pool_of([DOG], []), pair=pool_of([], []))
    model_of._described["val"], model_of._known = np.ones((2, 1), np.float32), np.ones((2, 1), np.float32)
    found = ZeroShotAuc().measure(model_of)
    assert [metric.name for metric in found.metrics] == ["zero_shot_auc.val.things"]
    assert list(found.without) == ["zero_shot_auc.pair.things"]


def test_what_a_picture_adds_is_what_taking_it_out_takes_away():
    """To first order: the area without a picture is lower by what it added, over the pictures there are."""
    draw = np.random.default_rng(0)
    has, scores = draw.random((400, 2)) < 0.4, draw.integers(0, 50, (400, 2)) / 50
    whole, adds = aucs(has, scores), added(has, scores)
    np.testing.assert_allclose(adds.mean(0), 0, atol=1e-12)
    for picture in range(0, 400, 40):
        left = np.delete(np.arange(400), picture)
        taken = (whole - aucs(has[left], scores[left])) * 399
        np.testing.assert_allclose(adds[picture], taken, atol=0.02)


def test_the_interval_is_that_of_drawing_pictures_and_counting_anew():
    draw = np.random.default_rng(1)
    has = draw.random((150, 1)) < 0.5
    scores = np.round(np.where(has, 0.3, 0.0) + draw.normal(0, 0.4, has.shape), 3)
    pool = pool_of(*[[DOG] if one else [CAT] for one in has[:, 0]])
    (metric,) = measured(pool, told(*[leaning(float(np.clip(one, -0.9, 0.9)), 0.1) for one in scores[:, 0]])).metrics
    again = []
    cat = np.full_like(scores, 0.1)
    both, of = np.concatenate([~has, has], 1), np.concatenate([cat, np.clip(scores, -0.9, 0.9)], 1)
    for _ in range(1000):
        places = draw.integers(150, size=150)
        again.append(aucs(both[places], of[places]).mean())
    assert (metric.low, metric.high) == pytest.approx(tuple(np.quantile(again, [0.025, 0.975])), abs=0.02)
