"""`diptych promote`: a version is judged against the champion on the same queries, or a person decides and says why."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from components.contracts.errors import ConfigError
from components.contracts.promotion import Rules
from components.evaluation.outcomes import Evaluated
from components.registry.store import open_store
from components.registry.versions import by_alias, register
from flows.promote import label_of, parity, promote
from flows.same_queries import comparable, trained_elsewhere
from tests.flows.seed import set_seed

STAGES = ("ingest", "count", "evaluate", "package")


def made(toy, seed):
    """Return the version of a model that is right in 20 of 60 queries, and in 6 more for each of the seed."""
    set_seed(toy, seed)
    for stage in STAGES:
        of_one = [] if stage == "ingest" else ["--recipe", "clip"]
        subprocess.run([str(toy / "infra/python"), "stages.py", stage, *of_one], cwd=toy, check=True)
    return register(toy / "runs/clip/package", toy)


def shipped(toy, seed):
    """Return what becomes of that version."""
    return promote(toy, made(toy, seed))


def rules(toy, **promotion):
    """Write rules to params.yaml."""
    params = yaml.safe_load((toy / "params.yaml").read_text())
    (toy / "params.yaml").write_text(yaml.safe_dump({**params, "promotion": promotion}))


def diptych(*arguments):
    command = [sys.executable, "-m", "flows.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_one_that_wins_is_promoted_and_one_that_does_not_can_be_with_a_reason(toy):
    assert shipped(toy, 1).sentence == "clip@1 is the champion: there was none."
    better = shipped(toy, 2)
    assert better.champion.label == "clip@2"
    assert "retrieval.pair.mean_recall is shown to be better (0.5333 against 0.4333, +0.1000" in better.sentence
    assert shipped(toy, 0).champion.label == "clip@2"
    judged = diptych("promote", "clip", "3")
    assert judged.returncode == 1, judged.stderr
    assert judged.stdout.startswith("# clip@3: kept")
    assert "clip@3 stays challenger and clip@2 is served" in judged.stdout
    as_json = json.loads(diptych("promote", "clip@3", "--json").stdout)
    assert (as_json["outcome"], as_json["champion"]) == ("kept", "clip@2")
    assert {one["rule"] for one in as_json["findings"]} == {"primary", "parity", "signature"}
    beside = diptych("report", "clip@1", "clip@2")
    assert beside.returncode == 0, beside.stderr
    said = Path(beside.stdout.strip()).read_text()
    assert "clip@1 and clip@2" in said
    assert "+10.0" in said
    assert diptych("report", "clip@1", "clip@1").stderr.startswith("diptych: clip@1 beside itself says nothing")
    by_hand = diptych("promote", "clip@3", "--because", "red is red again")
    assert by_hand.returncode == 0, by_hand.stderr
    assert by_alias(open_store(toy), "clip", "champion").label == "clip@3"
    again = diptych("promote", "clip@2")
    assert again.returncode == 0, again.stderr
    assert "clip@2 is the new champion in place of clip@3" in again.stdout


@pytest.mark.parametrize("change", ["moved", "drifted"])
def test_a_champion_measured_on_other_data_or_otherwise_that_cannot_be_measured_again_is_for_a_person(toy, change):
    shipped(toy, 1)
    (toy / change).touch()
    verdict = shipped(toy, 2)
    assert verdict.ruling.outcome == "needs_a_person"
    assert verdict.champion.label == "clip@1"
    assert (
        "clip@1, the champion, was measured on other data or otherwise, and it cannot be measured again"
        in verdict.sentence
    )
    assert (toy / ".diptych/logs/rescore.clip@1.log").exists()


def test_a_champion_whose_files_are_gone_from_the_store_is_for_a_person(toy):
    first = shipped(toy, 1).champion
    version = made(toy, 2)
    shutil.rmtree(next((toy / "mlartifacts").rglob(first.run_id)))
    verdict = promote(toy, version)
    assert verdict.ruling.outcome == "needs_a_person"
    assert "clip@1, the champion, was measured on other data or otherwise" in verdict.sentence


def test_the_first_is_not_served_where_the_set_that_decides_is_not_there(toy):
    version = made(toy, 1)
    rules(toy, primary="zero_shot.cifar10.class.top1")
    verdict = promote(toy, version)
    assert (verdict.ruling.outcome, verdict.champion) == ("kept", None)
    assert "nothing is: zero_shot.cifar10.class.top1 was not measured of clip@1" in verdict.sentence
    rules(toy)
    assert promote(toy, verdict.version, anew=True).champion.label == "clip@1", "once the rules name what there is"


@pytest.mark.parametrize(
    "change",
    [
        {"tallies": []},
        {"data": "elsewhere"},
        {"method": "by other prompts"},
        {"tallies": [{"rows": "retrieval.pair", "column": "rank", "at_most": 5}]},
    ],
)
def test_what_was_counted_or_asked_otherwise_is_not_compared(change):
    tallies = [{"rows": "retrieval.pair", "column": "rank", "at_most": 1}]
    metric = {"value": 0.5, "data": "here", "method": "by these prompts", "tallies": tallies}
    ours, same, other = (
        Evaluated(label="clip@1", metrics={"m": {**metric, **more}}, rows={"retrieval.pair": pa.table({})})
        for more in ({}, {}, change)
    )
    assert comparable(ours, same, Rules(primary="m"))
    assert not comparable(ours, other, Rules(primary="m"))


def test_evaluations_from_before_retrieval_said_how_it_asks_are_compared():
    tallies = [{"rows": "retrieval.pair", "column": "rank", "at_most": 1}]
    metric = {"value": 0.5, "data": "here", "tallies": tallies}
    before, now = (
        Evaluated(label="clip@1", metrics={"m": {**metric, **more}}, rows={"retrieval.pair": pa.table({})})
        for more in ({}, {"method": "captions as they are written, by cosine"})
    )
    assert comparable(before, now, Rules(primary="m"))
    assert comparable(now, before, Rules(primary="m"))


@pytest.mark.parametrize(
    ("metric", "methods", "alike"),
    [
        ("segmentation.val.by_picture.miou", ("by word; background below a cosine of 0.213; of each picture", "by word; background below a cosine of -0.004; of each picture"), True),
        ("segmentation.val.by_picture.miou", ("by word; background below a cosine of 0.213; of each picture", "by text; background below a cosine of 0.213; of each picture"), False),
        ("probe.digits.top1", ("logistic regression on vectors, C 0.1", "logistic regression on features, C 10"), True),
        ("knn.digits.top1", ("a vote of the 5 nearest", "a vote of the 20 nearest"), True),
        ("zero_shot.pair.category.top1", ("1 of 10 by 80 prompts", "1 of 10 by 7 prompts"), False),
    ],
    ids=["own bound", "other words", "own penalty", "own k", "other prompts"],
)  # fmt: skip
def test_what_a_model_chose_for_itself_is_not_how_it_was_asked(metric, methods, alike):
    rows = {"r": pa.table({})}
    first, second = (
        Evaluated(label="clip@1", metrics={metric: {"value": 0.5, "data": "here", "method": method, "tallies": [{"rows": "r", "column": "right"}]}}, rows=rows)
        for method in methods
    )  # fmt: skip
    assert comparable(first, second, Rules(primary=metric)) == alike


def test_one_trained_on_other_data_than_todays_may_have_seen_todays_pools(toy):
    version, store = made(toy, 1), open_store(toy)
    source = toy / "data/raw/source.json"
    source.write_text(json.dumps({"digest": "d" * 64}))  # as its manifest names what it was trained on
    assert trained_elsewhere(version, toy, store) == []
    source.write_text(json.dumps({"digest": "e" * 64}))
    (finding,) = trained_elsewhere(version, toy, store)
    assert (finding.rule, finding.held, finding.queries) == ("leakage", "uncertain", None), "for a person"
    assert "clip@1 was trained on other data than today's" in finding.says


def test_one_that_is_not_served_as_it_was_measured_stays_however_good(toy):
    shipped(toy, 1)
    (toy / "far").touch()
    verdict = shipped(toy, 2)
    assert (verdict.ruling.outcome, verdict.champion.label) == ("kept", "clip@1")
    assert "onnx_furthest is 2.0e-03, by which text answers otherwise than what was measured" in verdict.sentence
    assert "serving.tolerance allows 1.0e-03" in verdict.sentence


@pytest.mark.parametrize(
    ("furthest", "bound", "held"),
    [
        ({"image": 9e-5, "text": 1e-6}, {}, "holds"), ({"image": 2e-4, "text": 1e-6}, {}, "uncertain"),
        ({"image": 9e-5, "text": 1e-6}, {"onnx_tolerance": None}, "holds"), ({"image": 2e-4, "text": 1e-6}, {"onnx_tolerance": None}, "uncertain"),
        ({"image": float("nan"), "text": 1e-6}, {}, "fails"),
        ({"image": 2e-4, "text": 1e-6}, {"onnx_tolerance": 1e-3}, "holds"), ({"image": 2e-6, "text": 0.0}, {"onnx_tolerance": 1e-6}, "fails"),
        ({"image": float("nan"), "text": 0.1}, {"onnx_tolerance": 1.0}, "fails"), ({}, {"onnx_tolerance": 1e-3}, "uncertain"),
        (None, {}, "uncertain"),
    ],
)  # fmt: skip
def test_answers_are_held_to_the_bound_of_the_export_or_the_usual_one(furthest, bound, held):
    said = {} if furthest is None else {"onnx_furthest": furthest}
    assert parity({**said, **bound}).held == held


def test_a_model_that_is_asked_otherwise_is_for_a_person(toy):
    shipped(toy, 1)
    (toy / "wide").touch()
    verdict = shipped(toy, 2)
    assert verdict.ruling.outcome == "needs_a_person"
    assert "signature changes width from 32 to 64, on which whoever asks it may rely" in verdict.sentence


def test_one_that_learned_from_what_was_taken_down_is_for_a_person(toy):
    shipped(toy, 1)
    version, store = made(toy, 2), open_store(toy)
    mark = [{"sentence": "trained on 2 of what was taken down 2026-01-02: asked for", "learned": True}]
    store.client.set_model_version_tag("clip", version.version, "diptych.takedown", json.dumps(mark))
    verdict = promote(toy, version)
    assert (verdict.ruling.outcome, verdict.champion.label) == ("needs_a_person", "clip@1")
    assert "trained on 2 of what was taken down 2026-01-02: asked for; train without them" in verdict.sentence
    assert diptych("promote", "clip@2", "--because", "nothing else is there").returncode == 0


def test_rules_of_params_decide_and_are_read_anew(toy):
    shipped(toy, 1)
    version = made(toy, 2)
    rules(toy, bounds=[{"metric": "retrieval.pair.mean_recall", "at_least": 0.9}])
    verdict = promote(toy, version)
    assert verdict.ruling.outcome == "kept"
    assert "retrieval.pair.mean_recall must be at least 90.0%" in verdict.sentence
    rules(toy, guards=[{"metric": "retrieval.pair.nothing", "margin": 0.1, "tier": "critical"}])
    missing = promote(toy, version, anew=True)
    assert "retrieval.pair.nothing clip@2 was not measured on it" in missing.sentence
    rules(toy, guards=[{"metric": "retrieval.pair.image_to_text.median_rank", "margin": 1.0}])
    with pytest.raises(ConfigError, match=r"line .*median_rank, of which no row a query is kept"):
        promote(toy, version, anew=True)
    rules(toy)
    assert promote(toy, version, anew=True).champion.label == "clip@2"


@pytest.mark.parametrize(
    ("elsewhere", "outcome", "says"),
    [
        ({"general": {"difference": -0.011}}, "kept", "-1.1 points on general against its start (-3.0 to +1.0), and gates.retention allows -1.0"),
        ({"general": {"difference": -0.002}, "general top1": {"difference": -0.02}}, "kept", "-2.0 points on general top1 against its start"),
        ({"general": {"difference": -0.009}}, "promoted", "clip@2"),
        ({"general": {"difference": None}}, "needs_a_person", "cannot be told"),
        ({"digits": {"difference": -0.05, "able": False}, "general": {"difference": 0.0}}, "promoted", "clip@2"),
        ({"digits": {"difference": -0.05, "able": False}}, "needs_a_person", "so nobody knows what it lost: name a set that the start can do by `diptych adapt --set`"),
        ({}, "needs_a_person", "was measured on no set, so nobody knows what it lost against its start"),
    ],
)  # fmt: skip
def test_an_adapted_one_is_judged_by_what_it_lost_however_good_it_is(toy, elsewhere, outcome, says):
    shipped(toy, 1)
    about = {"metric": "retrieval.general.mean_recall", "low": -0.03, "high": 0.01}
    (toy / "lost.json").write_text(json.dumps({name: {**about, **line} for name, line in elsewhere.items()}))
    verdict = shipped(toy, 2)
    assert verdict.ruling.outcome == outcome
    assert verdict.champion.label == ("clip@2" if outcome == "promoted" else "clip@1")
    assert says in verdict.sentence


@pytest.mark.parametrize(("words", "label"), [(["clip@3"], "clip@3"), (["clip", "3"], "clip@3")])
def test_a_version_is_named_in_either_way(words, label):
    assert label_of(words) == label


@pytest.mark.parametrize("words", [["clip"], ["clip@"], ["@3"], ["clip", "3", "4"]])
def test_what_is_no_version_is_refused(words):
    with pytest.raises(ConfigError, match="is no version"):
        label_of(words)
