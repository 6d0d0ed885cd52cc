"""A rule of a promotion by which nothing could ever be decided is refused before anything runs, with what can stand there."""

import shutil
from pathlib import Path

import pytest
import yaml

from components.contracts.errors import ConfigError
from components.recipes.check import check_files

REPOSITORY = Path(__file__).parents[3]
ZERO_SHOT = {"class_path": "components.evaluation.zero_shot.ZeroShot", "init_args": {"label": "category"}}


@pytest.fixture
def checked(tmp_path):
    """Check a workspace with these rules, whose recipe lists these evaluators; return the rules."""
    shutil.copytree(REPOSITORY / "components/recipes", tmp_path / "components/recipes")
    (tmp_path / "data/own").mkdir(parents=True)

    def check(rules, evaluation=None):
        params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
        params["promotion"] |= rules
        params["overrides"]["evaluation"] = evaluation or {}
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
        return check_files(tmp_path).promotion

    return check


@pytest.mark.parametrize(
    "metric",
    [
        "retrieval.pair.image_to_text.median_rank", "zero_shot.pair.category.mean_per_class", "zero_shot_auc.pair.things", "features.val.modality_gap",
        "segmentation.pair.miou", "slices.pair.category.image_to_text.gap", "cost.image.flops", "cost.image.ms",
        "calibration.pair.category.ece", "canary.distance",
    ],
)  # fmt: skip
@pytest.mark.parametrize("rule", ["primary", "guard"])
def test_what_no_row_a_query_is_kept_of_cannot_be_compared_and_can_be_a_bound(checked, metric, rule):
    rules = {"primary": metric} if rule == "primary" else {"guards": [{"metric": metric, "margin": 0.1}]}
    with pytest.raises(ConfigError, match=r"params\.yaml, line \d+: promotion compares models in ") as said:
        checked(rules)
    assert f"{metric}, of which no row a query is kept (" in str(said.value)
    assert "Compare " in str(said.value)
    assert f"can be a bound: bounds: [{{metric: {metric}, " in str(said.value)


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        ("retrieval.pair.image_to_text.median_rank", "Compare retrieval.*.(image_to_text|text_to_image).recall_at_K, retrieval.*.mean_recall, "),
        ("zero_shot.pair.category.mean_per_class", "Compare zero_shot.*.*.topK; "),
        ("cost.image.flops", "Compare what begins with retrieval, compatible, judged, zero_shot, probe, "),
    ],
)  # fmt: skip
def test_what_can_be_compared_instead_is_named(checked, metric, says):
    with pytest.raises(ConfigError) as said:
        checked({"primary": metric})
    assert says in str(said.value)


@pytest.mark.parametrize(
    "rules", [{"margin": 2}, {"guards": [{"metric": "zero_shot.pair.category.top1", "margin": 2.0}]}]
)
def test_points_that_are_given_as_a_share_are_refused_with_the_share(checked, rules):
    with pytest.raises(ConfigError, match=r"line \d+: (retrieval|zero_shot).* is a share.*Give 0\.02 for 2 points"):
        checked(rules)


def test_a_margin_that_is_no_share_may_be_above_1(checked):
    guard = {"metric": "calibration.pair.category.brier", "margin": 1.5}
    calibration = {"evaluators": [{"class_path": "components.evaluation.calibration.Calibration"}]}
    assert checked({"guards": [guard]}, calibration).guards[0].margin == 1.5


@pytest.mark.parametrize(
    ("metric", "end"),
    [("cost.image.ms", "at_most"), ("cost.text.flops", "at_most"), ("zero_shot.pair.category.mean_per_class", "at_least")],
)  # fmt: skip
def test_the_bound_that_is_advised_keeps_to_the_side_that_is_worse(checked, metric, end):
    with pytest.raises(ConfigError) as said:
        checked({"primary": metric})
    assert f"bounds: [{{metric: {metric}, {end}: …}}]" in str(said.value)


def test_what_begins_as_no_metric_does_is_named_with_the_nearest(checked):
    with pytest.raises(ConfigError, match=r"begins with 'retreival'.*did you mean retrieval\?"):
        checked({"primary": "retreival.pair.mean_recall"})
    with pytest.raises(ConfigError, match=r"promotion names nothing\.like\.it"):
        checked({"bounds": [{"metric": "nothing.like.it", "at_least": 0.5}]})


def test_a_bound_on_what_the_recipe_does_not_measure_names_the_evaluator_to_add(checked):
    rules = {"bounds": [{"metric": "cost.image.flops", "at_most_times": 1.1}]}
    with pytest.raises(
        ConfigError,
        match=r"no evaluator that clip\.yaml lists gives it.*Add `- class_path: components\.evaluation\.cost\.Cost`",
    ):
        checked(rules, {"evaluators": [ZERO_SHOT]})
    assert checked(rules, {"evaluators": [ZERO_SHOT, {"class_path": "components.evaluation.cost.Cost"}]}).bounds


def test_a_bound_on_what_another_recipe_alone_measures_stops_that_recipe_alone(checked, tmp_path):
    checked({})
    params = yaml.safe_load((tmp_path / "params.yaml").read_text())
    params["promotion"]["bounds"] = [{"metric": "cost.image.flops", "at_most_times": 1.1}]
    begun = {"start": "data/untrained.txt"}
    params["recipes"], params["overrides"] = {"clip": begun, "siglip": begun}, {}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    assert check_files(tmp_path, "clip").promotion.bounds
    assert check_files(tmp_path).promotion.bounds
    with pytest.raises(ConfigError, match=r"no evaluator that siglip\.yaml lists gives it"):
        check_files(tmp_path, "siglip")


def test_what_is_asked_of_a_set_or_within_another_evaluator_is_measured(checked):
    rules = {"bounds": [{"metric": "probe.digits.top1", "at_least": 0.1}]}
    probe = {"class_path": "components.evaluation.probe.Probe"}
    assert checked(
        rules, {"evaluators": [], "sets": {"mine": {"path": "data/sets/mine", "evaluators": [probe]}}}
    ).bounds
    with pytest.raises(ConfigError, match="Probe"):
        checked(rules, {"evaluators": []})


def test_of_an_advisory_guard_nothing_follows_so_it_may_name_what_is_not_measured(checked):
    guard = {"metric": "robustness.pair.category.contrast", "margin": 0.1}
    assert checked({"guards": [{**guard, "tier": "advisory"}]}).guards
    with pytest.raises(ConfigError, match="Robustness"):
        checked({"guards": [{**guard, "tier": "supporting"}]})


def test_what_is_measured_whatever_a_recipe_lists_is_never_refused(checked):
    bounds = [
        {"metric": "leakage.pair", "at_most": 0.0}, {"metric": "retrieval.pair.text_to_image.median_rank", "at_most": 3.0},
        {"metric": "canary.distance", "at_most": 2.0}, {"metric": "zero_shot.mine.class.mean_per_class", "at_least": 0.2},
    ]  # fmt: skip
    assert len(checked({"bounds": bounds}, {"evaluators": []}).bounds) == 4
