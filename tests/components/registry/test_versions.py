"""Registering, on a real SQLite store of MLflow."""

import json
import shutil
import time

import pytest

from components.contracts.errors import ConfigError, StaleArtifact
from components.contracts.took import took
from components.registry.live import LiveRun
from components.registry.runs import PACKAGE_DIGEST, TRAIN_DIGEST, find_run
from components.registry.store import fingerprint, open_store
from components.registry.versions import register
from components.serving.scorer import open_scorer
from tests.components.serving.tiny_package import COLOURS, make_package, picture


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "did not happen in 60 s"
        time.sleep(0.02)


def steps(store, run_id, name):
    return [metric.step for metric in store.client.get_metric_history(run_id, name)]


def test_a_package_becomes_a_version_with_all_that_is_known_of_it(root, store, packaged):
    version = register(packaged(0.5), root, store)
    assert (version.name, version.version, version.label) == ("clip", "1", "clip@1")
    run = store.client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {
        "recipe": "clip", "data_digest": "d" * 64, "git_commit": "c0ffee", "train_digest": "t1",
        "training.lr": "0.001", "training.layers": "[1, 2]",
        "start.path": "runs/first/pretrain", "start.digest": "5" * 64,
    }  # fmt: skip
    assert run.data.tags["diptych.start_digest"] == "5" * 64, "all that began from a model are found by it"
    assert run.data.metrics["retrieval.pair.image_to_text.recall_at_1"] == pytest.approx(0.51)
    assert run.data.metrics["retrieval.pair.image_to_text.recall_at_1.baseline"] == pytest.approx(0.29)
    ends = [run.data.metrics[f"retrieval.pair.image_to_text.recall_at_1.{end}"] for end in ("low", "high")]
    assert ends == pytest.approx([0.45, 0.57])
    assert "retrieval.pair.text_to_image.recall_at_1.low" not in run.data.metrics, "none was made of it"
    assert steps(store, version.run_id, "train.loss") == list(range(1, 11))
    assert steps(store, version.run_id, "val.recall") == [1, 3, 5, 7, 9], "an empty cell is no point"
    assert run.inputs.dataset_inputs[0].dataset.digest == "d" * 36
    assert {file.path for file in store.client.list_artifacts(version.run_id, "package")} == {
        "package/manifest.json", "package/metrics.json", "package/weights.safetensors",
    }  # fmt: skip
    assert not (root.parent / "mlruns").exists()
    assert (root / "mlartifacts").is_dir()


def test_asked_twice_it_writes_nothing(root, store, packaged):
    package = packaged()
    first, before = register(package, root, store), fingerprint(root)
    assert register(package, root) == first
    assert fingerprint(root) == before


def test_a_fresh_store_ends_in_the_same_state(root, store, packaged):
    package = packaged()
    first = register(package, root, store)
    metrics = store.client.get_run(first.run_id).data.metrics
    (root / "mlflow.db").unlink()
    shutil.rmtree(root / "mlartifacts")
    again_store = open_store(root)
    again = register(package, root, again_store)
    assert (again.label, again.digest) == (first.label, first.digest)
    assert again_store.client.get_run(again.run_id).data.metrics == metrics


def test_a_register_that_was_killed_half_way_is_completed(root, store, packaged):
    package = packaged()
    run = store.client.create_run(store.experiment, tags={PACKAGE_DIGEST: register(package, root, store).digest})
    client = store.client
    client.delete_registered_model("clip")
    for old in client.search_runs([store.experiment], "attributes.status = 'FINISHED'"):
        client.delete_run(old.info.run_id)
    client.log_metric(run.info.run_id, "train.loss", 3.9, step=1)
    version = register(package, root, store)
    assert version.run_id == run.info.run_id
    assert steps(store, run.info.run_id, "train.loss") == list(range(1, 11)), "step 1 was there, and came once"


def test_another_package_of_the_same_training_gets_a_run_of_its_own(root, store, packaged):
    first = register(packaged(0.5), root, store)
    second = register(packaged(0.6), root, store)
    assert (first.version, second.version) == ("1", "2")
    assert first.run_id != second.run_id
    assert steps(store, second.run_id, "train.loss") == list(range(1, 11))


def test_a_changed_file_is_not_registered(root, store, packaged):
    package = packaged()
    (package / "weights.safetensors").write_text("tampered")
    with pytest.raises(StaleArtifact, match=r"weights\.safetensors was changed after it was packaged"):
        register(package, root, store)


def test_live_curves_go_on_after_a_kill_and_no_step_comes_twice(root, store, packaged):
    live = LiveRun.open(root, "clip", "t1", {"training": {"lr": 0.001}}, every_s=0.01, after_s=0.01)
    for step in range(1, 5):
        live.log(step, {"train.loss": 4 - step / 10})
    until(lambda: live.run_id)
    live.close("KILLED", timeout_s=60)
    assert find_run(store, TRAIN_DIGEST, "t1").info.status == "KILLED"
    resumed = LiveRun.open(root, "clip", "t1", {"training": {"lr": 0.001}}, every_s=0.01, after_s=0.01)
    for step in range(3, 8):  # the checkpoint was of step 2
        resumed.log(step, {"train.loss": 4 - step / 10})
    until(lambda: resumed.run_id)
    resumed.close(timeout_s=60)
    run = find_run(store, TRAIN_DIGEST, "t1")
    assert (live.errors, resumed.errors) == (0, 0)
    assert run.info.status == "FINISHED"
    assert steps(store, run.info.run_id, "train.loss") == list(range(1, 8))
    version = register(packaged(training="t1"), root, store)
    assert version.run_id == run.info.run_id, "the live run becomes the package's"
    assert steps(store, version.run_id, "train.loss") == list(range(1, 11)), "what live logging missed is filled in"


def test_curves_of_fine_tuning_stand_beside_those_of_pre_training_under_their_own_names(root, store, packaged):
    package = packaged()
    (root / "runs/clip/finetune").mkdir()
    (root / "runs/clip/finetune/curves.csv").write_text("step,train.loss\n1,0.5\n2,0.25\n")
    run_id = register(package, root, store).run_id
    assert steps(store, run_id, "train.loss") == list(range(1, 11))
    assert steps(store, run_id, "finetuning.train.loss") == [1, 2]


def test_what_a_training_took_is_logged_with_its_run_whether_or_not_it_was_while_it_ran(root, store, packaged):
    package = packaged(training="t1")
    timing = {
        "samples_per_s": 900.0,
        "data_wait": 0.01,
        "mfu": 0.4,
        "peak_memory_bytes": 8e9,
        "kwh": None,
        "cost": 0.25,
    }
    report = {"steps": 10, "timing": timing}
    (root / "runs/clip/pretrain/metrics.json").write_text(json.dumps(report))
    (root / "runs/clip/finetune").mkdir()
    (root / "runs/clip/finetune/metrics.json").write_text(json.dumps({"steps": 3, "timing": {"mfu": 0.3}}))
    live = LiveRun.open(root, "clip", "t1", every_s=0.01, after_s=0.01)
    live.log(10, took(timing))
    until(lambda: live.run_id)
    live.close(timeout_s=60)
    run_id = register(package, root, store).run_id
    wanted = {f"took.{name}": value for name, value in timing.items() if value is not None}
    logged = store.client.get_run(run_id).data.metrics
    assert {name: value for name, value in logged.items() if name.startswith("took.")} == wanted
    assert all(steps(store, run_id, name) == [10] for name in wanted), "and none of it twice"
    assert (logged["finetuning.took.mfu"], steps(store, run_id, "finetuning.took.mfu")) == (0.3, [3])


def test_a_short_training_never_opens_the_store(root):
    live = LiveRun.open(root, "clip", "t1", after_s=60)
    live.log(1, {"train.loss": 4.0})
    live.close()
    assert not (root / "mlflow.db").exists()


def test_a_store_that_fails_is_counted_said_once_and_stops_nothing(root, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/no/such/folder/mlflow.db")
    (root / "no").write_text("a file where a folder would have to be")
    live = LiveRun.open(root, "clip", "t1", every_s=0.01, after_s=0.01)
    for step in range(100):
        live.log(step, {"train.loss": 1.0})
    until(lambda: live.errors >= 2)
    live.close("FINISHED", timeout_s=60)
    assert capsys.readouterr().err.count("Training goes on") == 1


def test_a_registered_package_says_how_well_words_fit_pictures(root, store):
    package = make_package(root / "runs/tiny/package")
    for name in ("evaluate", "pretrain"):
        (root / "runs/tiny" / name).mkdir()
    (root / "runs/tiny/evaluate/metrics.json").write_text("{}")
    version = register(package, root, store)
    scorer = open_scorer(version.label, root / "elsewhere", root)
    assert scorer.name == f"tiny@1 ({version.digest[:12]})"
    red = picture(COLOURS["red"])
    fits, does_not = scorer.score([red, red], [["red"], ["blue"]])
    assert fits > does_not
    for other in ("tiny@2", "tiny@champion"):
        with pytest.raises(ConfigError, match=rf"no version '{other}'. It has tiny@1"):
            open_scorer(other, root, root)
    store.client.set_registered_model_alias("tiny", "champion", "1")
    assert open_scorer("tiny@champion", root, root).name == f"tiny@champion ({version.digest[:12]})"
