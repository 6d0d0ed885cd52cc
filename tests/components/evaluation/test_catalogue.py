"""What is known of a metric by its name: who gives it, and whether two models are compared in it, said as a person would name it."""

import pytest

from components.evaluation.catalogue import (
    better,
    kind_of,
    kinds,
    kinds_with_rows,
    read_catalogue,
    unit,
    why_no_rows,
    with_rows,
)


@pytest.mark.parametrize(
    ("metric", "kept"),
    [
        ("retrieval.pair.mean_recall", True), ("retrieval.pair.image_to_text.recall_at_10", True), ("retrieval.mine.text_to_image.median_rank", False),
        ("zero_shot.pair.category.one_prompt.top5", True), ("zero_shot.pair.category.mean_per_class", False), ("calibration.pair.category.brier", True),
        ("calibration.pair.category.ece", False), ("cost.image.ms", False), ("retrieval.pair.what_nobody_gives", True), ("what.nobody.gives", True),
    ],
)  # fmt: skip
def test_whether_rows_are_kept_is_known_by_the_name_and_doubt_is_for_keeping(metric, kept):
    assert (why_no_rows(metric) is None) == kept


def test_kinds_are_given_by_one_evaluator_each():
    assert kinds()["cost"] == "components.evaluation.cost.Cost"
    assert kind_of("features.val.image.variance") == "features"
    assert kinds()["features"] == "components.evaluation.feature_stats.FeatureStats"
    assert set(kinds().values()) == {row["class_path"] for row in read_catalogue().values()}
    assert len(kinds()) == len(read_catalogue()), "a kind that two gave would be said to be of one"
    assert "cost" not in kinds_with_rows()
    assert {"retrieval", "zero_shot", "probe", "robustness"} <= set(kinds_with_rows())


def test_names_are_said_as_a_person_would_write_them():
    assert with_rows("zero_shot") == ["zero_shot.*.*.topK"]
    assert with_rows("languages") == ["languages.*.mean_recall"]
    assert with_rows("cost") == []
    for kind in kinds_with_rows():
        assert not any(set("\\?+^$") & set(name) for name in with_rows(kind)), kind


def test_the_unit_is_known_where_the_name_is():
    assert (unit("zero_shot.pair.category.top1"), unit("calibration.pair.category.brier")) == (
        "fraction",
        "squared_distance",
    )
    assert unit("what.nobody.gives") is None


def test_which_way_is_better_is_known_where_the_name_is():
    assert (better("cost.text.bytes"), better("retrieval.pair.mean_recall"), better("what.nobody.gives")) == (
        "down",
        "up",
        "up",
    )
