"""Segmentation by hand: halves of a picture that a told model sees right, wrong, or not at all."""

from dataclasses import replace

import numpy as np
import pytest

from components.contracts.errors import ConfigError
from components.evaluation.segmentation import Pixels, Segmentation, by_lot, drawn, overlap, overlap_interval, spread
from tests.placed import Seer, pool_of, region, subject
from tests.subjects import Told

WORDS = ("dog", "cat")
HALVES = [region("dog", (0, 0, 4, 8)), region("cat", (4, 0, 8, 8))]
RIGHT = (("dog", "dog", "cat", "cat"),) * 4


def found(shown, regions=HALVES, bound=0.5, **settings):
    seer = Seer(shown={b"0": shown}, words=WORDS, **settings)
    return Segmentation(bound=bound).measure(subject(seer, val=pool_of(regions)))


def test_all_right_is_one_and_one_for_the_other_nothing():
    right, _ = found(RIGHT).metrics
    assert (right.name, right.value, right.n) == ("segmentation.val.miou", 1.0, 1)
    assert right.baseline == 0  # background is nowhere
    assert found((("cat", "cat", "dog", "dog"),) * 4).metrics[0].value == 0


def test_where_nothing_is_near_enough_is_background():
    half = found((("dog", "dog", "", ""),) * 4, [region("dog", (0, 0, 4, 8))])
    assert half.metrics[0].value == 1.0
    assert half.metrics[0].baseline == pytest.approx((1 / 2 + 0) / 2)  # all background: half of it right, and no dog
    assert {row["query"]: row["iou"] for row in half.rows["segmentation.val"].to_pylist()} == {
        "background": 1,
        "dog": 1,
    }


def test_each_picture_has_a_row_and_counts_the_classes_that_are_there():
    pictures = [b"0", b"1"]
    shown = {b"0": RIGHT, b"1": (("cat", "cat", "cat", "cat"),) * 4}
    pool = replace(
        pool_of(HALVES), keys=("first", "second"), pictures=tuple(pictures), captions=(("one",), ("two",)), concepts=("one", "two"),
        sources=("", ""), groups=(), regions=(tuple(HALVES), tuple(HALVES)),
    )  # fmt: skip
    found = Segmentation(bound=0.5).measure(subject(Seer(shown=shown, words=WORDS), val=pool))
    whole, each = found.metrics
    assert each.name == "segmentation.val.by_picture.miou"
    rows = {row["query"]: row["overlap"] for row in found.rows["segmentation.val.by_picture"].to_pylist()}
    assert rows == {"first": 1.0, "second": pytest.approx((0 + 1 / 2) / 2)}, "no dog, and the cat twice as large"
    assert (each.value, each.n) == (pytest.approx(np.mean(list(rows.values()))), 2)
    assert whole.value == pytest.approx((1 / 2 + 2 / 3) / 2), "over all pixels it is another number"
    assert (each.low, each.high) == (pytest.approx(0.25), 1.0)


def test_the_bound_is_the_best_on_val():
    pools = {name: pool_of([region("dog", (0, 0, 4, 8))]) for name in ("val", "pair")}
    seer = Seer(shown={b"0": (("dog", "dog", "", ""),) * 4}, words=WORDS)
    val, _, pair, _ = Segmentation().measure(subject(seer, **pools)).metrics
    assert (val.value, pair.value) == (1.0, 1.0)
    assert "background below a cosine of" in str(pair.method)


def test_pixels_that_are_not_shown_are_not_counted():
    left = (("dog",) * 4,) * 4  # the model is shown the left half alone, pressed into its square
    one, _ = found(left, window=(0.0, 0.0, 0.5, 1.0)).metrics
    assert one.value == 1.0


def test_overlap_counts_what_is_met_over_what_is_there_or_said():
    truth, answer = np.array([0, 0, 1, 1, 1, 1]), np.array([0, 1, 1, 1, 2, 0])
    ious = overlap(truth, answer, classes=2)
    np.testing.assert_allclose(ious[:2], [1 / 3, 2 / 5])
    assert np.isnan(ious[2])  # it is nowhere, so there is nothing to meet


def test_answers_by_lot_get_what_chance_says():
    rng = np.random.default_rng(0)
    truth = rng.choice(3, 200_000, p=[0.7, 0.2, 0.1])
    assert np.nanmean(overlap(truth, rng.integers(0, 3, len(truth)), 2)) == pytest.approx(by_lot(truth, 2), abs=2e-3)


def test_the_smaller_of_two_that_meet_lies_above():
    truth = drawn([region("cat", (2, 2, 4, 4)), region("dog", (0, 0, 8, 8))], ["cat", "dog"])
    assert truth[3, 3] == 1
    assert truth[0, 0] == 2


def test_between_the_centres_of_patches_similarity_goes_evenly():
    maps, shown = spread(np.array([[[0.0, 1.0]]]), (0, 0, 1, 1), (1, 8))
    np.testing.assert_allclose(maps[0, 0], [0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1])
    assert shown.all()


@pytest.mark.parametrize(
    ("encoder", "regions", "why"),
    [
        (Told({b"0": [1]}, {"dog": [1]}), HALVES, "no patches"),
        (Seer(shown={b"0": RIGHT}, words=WORDS), [], "where its things are"),
        (Seer(shown={b"0": RIGHT}, words=WORDS), [region("dog", (0, 0, 4, 8), masked=False)], "no picture has masks"),
    ],
    ids=["no tokens", "no regions", "no masks"],
)
def test_what_cannot_be_measured_is_said(encoder, regions, why):
    assert why in Segmentation().measure(subject(encoder, val=pool_of(regions))).without["segmentation"]


def test_without_masks_in_val_the_bound_has_to_be_given():
    seer = Seer(shown={b"0": RIGHT}, words=WORDS)
    assert "Give bound" in Segmentation().measure(subject(seer, pair=pool_of(HALVES))).without["segmentation"]
    assert Segmentation(bound=0.5).measure(subject(seer, pair=pool_of(HALVES))).metrics[0].value == 1.0


def test_a_bound_that_is_no_cosine_is_refused():
    with pytest.raises(ConfigError, match="bound is 2"):
        Segmentation(bound=2)


def test_the_interval_is_that_of_drawing_whole_pictures():
    """Forty pictures of ten pixels, two of each thing: right about one thing, wrong about the next."""
    rng = np.random.default_rng(0)
    truth, about = rng.integers(0, 3, (40, 10)), [place // 2 for place in range(40)]
    answer = np.where(np.array(about)[:, None] % 2, truth, rng.integers(0, 3, (40, 10)))
    pixels = Pixels(
        truth=truth.ravel(), nearest=answer.ravel(), cosine=np.ones(400), sizes=np.full(40, 10), about=tuple(map(str, about))
    )  # fmt: skip
    again = []
    for _ in range(1000):
        places = (2 * rng.integers(20, size=20)[:, None] + np.arange(2)).ravel()
        again.append(np.nanmean(overlap(truth[places].ravel(), answer[places].ravel(), 2)))
    low, high = overlap_interval(pixels, answer.ravel(), 2, seed=0)
    assert (low, high) == pytest.approx(tuple(np.quantile(again, [0.025, 0.975])), abs=0.02)
    assert low < np.nanmean(overlap(truth.ravel(), answer.ravel(), 2)) < high


def test_of_one_picture_there_is_no_interval():
    metric, _ = found(RIGHT).metrics
    assert (metric.low, metric.high) == (None, None)
