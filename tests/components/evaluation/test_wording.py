"""Numbers in words: how a model was tuned, what else was measured, what the data allows and what it does not."""

import numpy as np
import pytest

from components.evaluation.feature_stats import statistics
from components.evaluation.wording import FEATURES_MEAN, MOST_TELLING, allowed, every_row, further_rows, tuning

TUNED = {"strategy": "LockedImage", "steps": 1100, "alpha": 0.25, "alphas": [0.0, 0.25, 1.0]}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "LockedImage for 1,100 steps, then alpha 0.25 between the weights before (0) and after (1), chosen on val"),
        ({"alpha": 0.5, "alphas": [0.5]}, "LockedImage for 1,100 steps, then alpha 0.5 between the weights before (0) and "
         "after (1), as the recipe says"),
        ({"alpha": 0.0}, "LockedImage for 1,100 steps, and none of it kept (chosen on val): these are the pre-trained weights"),
    ],
)  # fmt: skip
def test_it_says_what_was_done_and_who_chose(changed, said):
    assert tuning({**TUNED, **changed}) == said


def test_a_model_that_passed_through_was_not_tuned():
    assert tuning(None) == "no"


def metric(value=0.5, unit="fraction", **more):
    return {"value": value, "unit": unit, "better": "up", "n": 10, "chance": 0.1, "baseline": 0.2, **more}


MEASURED = {
    "features.val.text.variance": metric(0.9),
    "features.val.alignment": metric(0.886, "squared_distance"),
    "probe.digits.top1": metric(0.97, method="logistic regression"),
    "calibration.val.category.brier": metric(0.61, "squared_distance", method="1 of 9 by names"),
    "calibration.designer.category.ece": metric(0.07),
    "calibration.val.category.ece": metric(0.05, method="on average 80.0% sure"),
    "slices.pair.source.text_to_image.gap": metric(0.2),
    "slices.pair.source.text_to_image.by_hand": metric(0.7),
    "robustness.pair.image_to_text.shot_noise": metric(0.3),
    "robustness.pair.image_to_text.mean": metric(0.4),
    "robustness.val.category.mean": metric(0.6),
    "zero_shot.designer.category.top1": metric(method="1 of 9 by names"),
    "zero_shot.designer.category.one_prompt.top1": metric(),
    "zero_shot.val.category.top1": metric(),
    "zero_shot.val.subcategory.top5": metric(),
    "retrieval.pair.image_to_text.recall_at_1": metric(),
    "retrieval.val.image_to_text.recall_at_1": metric(),
}


def test_what_stands_beside_retrieval_comes_in_a_fixed_order_with_its_method():
    rows = further_rows(MEASURED)
    assert [(row["asked"], row["split"]) for row in rows] == [
        ("category", "val"), ("category", "designer"), ("category, one prompt", "designer"), ("subcategory among 5", "val"),
        ("category, squared distance of shares to the truth", "val"),
        ("category, error of its sureness", "val"),
        ("category, error of its sureness", "designer"), ("category, all changes", "val"),
        ("picture → name, shot noise", "pair"), ("picture → name, all changes", "pair"),
        ("name → picture, gap of the worst source", "pair"), ("name → picture, source by hand", "pair"),
        ("digits, probe", "test"), ("squared distance of picture and text", "val"), ("what texts do not share", "val"),
    ]  # fmt: skip
    assert [row["method"] for row in rows] == [
        "", "1 of 9 by names", "", "", "1 of 9 by names", "on average 80.0% sure", "", "", "", "", "", "", "logistic regression", "", "",
    ]  # fmt: skip
    assert [row["value"] for row in rows] == ["50.0%"] * 4 + [
        "0.61", "5.0%", "7.0%", "60.0%", "30.0%", "40.0%", "20.0%", "70.0%", "97.0%", "0.89", "90.0%",
    ]  # fmt: skip
    assert {(row["chance"], row["n"]) for row in rows[:4]} == {("10.0%", 10)}


def test_where_there_is_little_room_only_the_stated_method_and_the_telling_numbers_stand():
    assert [(row["asked"], row["split"]) for row in further_rows(MEASURED, brief=True)] == [
        ("category", "val"), ("category", "designer"),
        ("category, error of its sureness", "val"),
        ("category, error of its sureness", "designer"), ("category, all changes", "val"),
        ("picture → name, all changes", "pair"), ("name → picture, gap of the worst source", "pair"), ("digits, probe", "test"),
        ("squared distance of picture and text", "val"),
    ]  # fmt: skip
    assert further_rows({}) == []


def test_every_statistic_of_the_features_has_words():
    one = np.eye(3)
    assert set(FEATURES_MEAN) == set(statistics(one, one))
    assert set(MOST_TELLING) <= set(FEATURES_MEAN)


def test_what_the_data_allows_is_said():
    assert allowed(MEASURED, {}, {}) == (
        "This data allows the splits val, pair and these metrics: retrieval, zero-shot by category and subcategory, calibration, "
        "slices, robustness, a probe on digits, statistics of the features."
    )


def test_what_the_data_does_not_allow_is_said_with_its_reason_once():
    source = {
        "without": {
            "designer": "nobody says who made what", "concept": "no groups", "both": "no groups",
            "zero_shot": "the folder has no folders in it", "pictures without a caption": "1: 0059.png",
        }
    }  # fmt: skip
    without = {
        "zero_shot.val.category": "no picture has a category",
        "features.pair": "this data has no two pictures in pair",
    }
    said = allowed({"retrieval.val.image_to_text.recall_at_1": metric()}, source, without)
    assert said == (
        "This data allows the splits val and these metrics: retrieval. Not measured: designer (nobody says who made what); "
        "concept, both (no groups); zero_shot (the folder has no folders in it); features.pair (this data has no two "
        "pictures in pair)."
    )


def test_no_number_is_left_out_of_both_tables():
    """Whatever an evaluator is called, what it measured is in the table of recall or in that of all else."""
    from components.evaluation.wording import retrieval_rows

    metric = {"value": 0.5, "chance": 0.1, "baseline": 0.2, "unit": "fraction", "n": 3}
    names = [
        "retrieval.pair.image_to_text.recall_at_1", "retrieval.pair.image_to_text.recall_at_5", "retrieval.pair.mean_recall", "leakage.pair",
        "zero_shot.cifar10.class.mean_per_class", "zero_shot.cifar10.class.top1", "late_interaction.pair.image_to_text.recall_at_1",
        "pointing.pair.label.in_box", "segmentation.pair.miou", "canary.distance", "cost.image.flops", "zero_shot_auc.pair.things",
    ]  # fmt: skip
    metrics = {name: {**metric, "value": place / 100} for place, name in enumerate(names)}
    told = [row["value"] for row in retrieval_rows(metrics)] + [row["metric"]["value"] for row in every_row(metrics)]
    assert sorted(told) == [place / 100 for place in range(len(names))]
    asked = {row["metric"]["value"]: (row["asked"], row["split"]) for row in every_row(metrics)}
    assert asked[names.index("segmentation.pair.miou") / 100] == ("segmentation miou", "pair")
    assert asked[names.index("zero_shot.cifar10.class.mean_per_class") / 100] == (
        "zero shot class mean per class",
        "cifar10",
    )
