"""Two workspaces that share nothing but a remote: what one has done the other goes on from, and nothing counts as done before it is there."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.contracts.errors import ConfigError, DataError, TransientError
from components.stages.outcome import StageOutcome
from flows.shared import VARIABLE, Shared
from flows.workspace import Workspace
from tests.flows.conftest import make_toy
from tests.flows.seed import set_seed
from tests.flows.test_workspace import begin_and_hold
from tests.seaweed import KEY, SECRET, Fault, client_of, faulty_proxy, s3_on_loopback

LEFT = ("count", "evaluate", "package")


@pytest.fixture
def pair(toy: Path, tmp_path: Path, monkeypatch) -> tuple[Path, Path]:
    """Two workspaces and a folder that is the remote of both."""
    other = make_toy(tmp_path / "other")
    for root in (toy, other):
        remote(root, str(tmp_path / "remote"))
    monkeypatch.setenv(VARIABLE, "there")
    return toy, other


def remote(root: Path, url: str, **more: str) -> None:
    lines = "".join(f"    {name} = {value}\n" for name, value in {"url": url, **more}.items())
    (root / ".dvc/config.local").write_text(f"['remote \"there\"']\n{lines}")


def bring_up(root: Path, *stages: str) -> list[str]:
    with Workspace.here("clip", root) as workspace:
        return [workspace.repro(stage).did for stage in stages]


def ran(root: Path) -> set[str]:
    """Return the stages that ever ran in a workspace."""
    return {path.stem.partition("@")[0] for path in (root / ".diptych/outcome").glob("*.json")}


def test_the_second_goes_on_where_the_first_was_and_the_first_repeats_nothing(pair):
    first, second = pair
    assert bring_up(first, "ingest") == ["ran"]
    assert bring_up(second, "ingest", "count") == ["cached", "ran"]
    assert ran(second) == {"count"}
    assert (second / "data/raw/a").read_bytes() == (first / "data/raw/a").read_bytes()
    assert bring_up(first, "ingest", "count") == ["cached", "cached"]
    assert ran(first) == {"ingest"}
    assert not (first / "runs/clip/pretrain").exists(), "what nobody here reads is not fetched"
    assert bring_up(first, *LEFT) == ["cached", "ran", "ran"]
    assert bring_up(second, "ingest", *LEFT) == ["cached", "cached", "restored", "restored"]
    assert ran(second) == {"count"}
    for name in ("evaluate", "package"):  # what registry and pages read
        files = {path.name: path.read_bytes() for path in (first / f"runs/clip/{name}").glob("*.json")}
        assert files == {path.name: path.read_bytes() for path in (second / f"runs/clip/{name}").glob("*.json")}
    assert bring_up(second, "ingest", *LEFT) == ["cached"] * 4


def test_a_number_such_as_dvc_writes_it_is_the_same_number(pair):
    first, second = pair
    for root in pair:
        for name, was, now in (("dvc.yaml", "[seed]", "[gates.max_broken]"), ("params.yaml", "0.01", "0.00001")):
            (root / name).write_text((root / name).read_text().replace(was, now))
    assert bring_up(first, "ingest") == ["ran"]
    assert "1e-05" in (first / "dvc.lock").read_text()
    assert bring_up(second, "ingest") == ["cached"]


def test_what_the_remote_has_lost_is_made_anew_and_sent(pair, tmp_path):
    first, second = pair
    bring_up(first, "ingest", *LEFT)
    shutil.rmtree(tmp_path / "remote/files")
    with pytest.raises(DataError):
        bring_up(second, "ingest", "count", "evaluate")  # of which nothing is left to make it from
    with Workspace.here("clip", first) as workspace:
        shared = Shared(first, "there")
        for name in ("ingest", "count@clip"):
            shared.hand_on(name, anew=True)
        assert not workspace.stale("count")
    assert bring_up(second, "ingest", "count", "evaluate") == ["cached", "cached", "ran"]
    shutil.rmtree(first / ".dvc/cache")
    shutil.rmtree(first / "runs/clip/evaluate")
    assert bring_up(first, "evaluate") == ["restored"]


def test_single_files_of_what_another_made_are_fetched_where_there_are_such(pair):
    first, second = pair
    bring_up(first, "ingest", "count")
    bring_up(second, "ingest", "count")
    Shared(second, "there").bring_known("runs/clip/pretrain/first", "runs/clip/pretrain/none", "data/nowhere/at-all")
    files = [path.name for path in (second / "runs/clip/pretrain").iterdir()]
    assert files == ["first"]


def test_a_single_stage_goes_on_from_what_another_workspace_has(pair, prefect_api, monkeypatch):
    first, second = pair
    from flows.pipeline import stage

    monkeypatch.chdir(second)
    with pytest.raises(ConfigError, match="ingest, count@clip must come before evaluate@clip, and have work to do"):
        stage("evaluate", "clip")
    bring_up(first, "ingest", "count")
    assert stage("evaluate", "clip").did == "ran"
    assert ran(second) == {"evaluate"}


def test_what_came_of_other_numbers_is_not_taken_for_ones_own(pair):
    first, second = pair
    bring_up(first, "ingest", "count")
    set_seed(second, 2)
    assert bring_up(second, "ingest", "count") == ["ran", "ran"]
    assert "seed: 2" in (second / "data/raw/a").read_text()
    assert bring_up(first, "ingest", "count") == ["cached", "cached"], "what holds here stays"
    set_seed(first, 2)
    assert bring_up(first, "ingest", "count") == ["restored", "cached"], "what count makes is the same here"
    assert ran(first) == ran(second) == {"ingest", "count"}
    assert "seed: 2" in (first / "data/raw/a").read_text()


def test_an_input_that_is_not_here_and_was_made_anew_elsewhere_is_a_changed_one(pair):
    first, second = pair
    bring_up(first, "ingest", "count")
    bring_up(second, "ingest", "count")
    set_seed(first, 2)
    bring_up(first, "ingest")
    set_seed(second, 2)
    with Workspace.here("clip", second) as workspace:
        assert workspace.repro("count").did == "ran"
        assert "seed: 2" in (second / "data/raw/a").read_text()


def test_a_stage_whose_outputs_did_not_arrive_is_not_done_and_the_next_try_sends_them(pair, tmp_path):
    first, second = pair
    (tmp_path / "remote").mkdir()
    (tmp_path / "remote/files").write_text("a file where the folder should be")
    with pytest.raises(TransientError, match="the remote there"):
        bring_up(first, "ingest")
    assert (first / "data/raw/a").exists()
    assert not (tmp_path / "remote/lock").exists()
    (tmp_path / "remote/files").unlink()
    assert bring_up(first, "ingest") == ["cached"], "it is whole, and only had to be sent"
    assert bring_up(second, "ingest", "count") == ["cached", "ran"]


def test_a_stage_whose_machine_went_is_gone_on_with_on_another_one(pair, until, left_in, tmp_path):
    first, second = pair
    (tmp_path / "resume").mkdir()
    for root in pair:  # as infra/entry links it
        (root / ".diptych").mkdir(mode=0o700)
        (root / ".diptych/resume").symlink_to(tmp_path / "resume")
    process = begin_and_hold(first, until)
    process.kill()
    process.wait()
    until(lambda: not left_in(first), lambda: left_in(first))
    assert bring_up(second, "ingest", "count") == ["cached", "ran"]
    assert (second / "runs/clip/pretrain/first").read_text() == "1", "it went on from step 1"
    assert ran(second) == {"count"}


def test_an_entry_that_nobody_can_read_is_as_good_as_none(pair, tmp_path):
    first, second = pair
    bring_up(first, "ingest")
    (entry,) = (tmp_path / "remote/lock/ingest").glob("*.json")
    known = json.loads(entry.read_text())
    other = {"stage": "ingest", "entry": {**known["entry"], "cmd": "true"}}
    for said in (
        "{",
        json.dumps({**known, "stage": "count@clip"}),
        json.dumps([1]),
        json.dumps({"stage": "ingest", "entry": 1}),
        json.dumps(other),
    ):
        entry.write_text(said)
        Shared(second, "there").take(["ingest"])
        assert not (second / "dvc.lock").exists()
    assert bring_up(second, "ingest") == ["ran"]
    assert json.loads(entry.read_text()) == known


def test_a_remote_that_dvc_does_not_know_is_said_before_anything_runs(pair, monkeypatch):
    first, _ = pair
    monkeypatch.setenv(VARIABLE, "elsewhere")
    with pytest.raises(ConfigError, match=r"DIPTYCH_REMOTE is 'elsewhere', .* It knows there\."):
        bring_up(first, "ingest")
    assert ran(first) == set()


def test_without_the_variable_nothing_is_shared(pair, monkeypatch, tmp_path):
    first, _ = pair
    monkeypatch.delenv(VARIABLE)
    assert bring_up(first, "ingest") == ["ran"]
    assert not (tmp_path / "remote").exists()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_on_loopback() as address:
        yield address


def test_over_s3_a_flow_ends_in_another_workspace_than_it_began_in(pair, server, prefect_api, monkeypatch, tmp_path):
    first, second = pair
    client_of(server).create_bucket(Bucket="shared")
    from flows.pipeline import pipeline  # Prefect reads where its server is when it is imported

    (tmp_path / "none").write_text("")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with faulty_proxy(server) as proxy:
        for root in pair:
            remote(
                root, "s3://shared/dvc", endpointurl=proxy.address, access_key_id=KEY, secret_access_key=SECRET, region="us-east-1",
            )  # fmt: skip
        proxy.fault = Fault(status=403, code="AccessDenied", method="PUT", when=lambda path: "/lock/" in path)
        with pytest.raises(ConfigError, match="of ingest was not written in the remote there") as refused:
            bring_up(first, "ingest")
        assert SECRET not in str(refused.value)
        proxy.fault = Fault(status=400, code="ExpiredToken", method="")
        with pytest.raises(
            ConfigError, match=r"of ingest was not read in the remote there .*credentials for it have expired"
        ):
            bring_up(first, "ingest")
        proxy.fault = Fault(status=400, code="InternalError", method="PUT", when=lambda path: "/files/" in path)
        with pytest.raises(TransientError, match="did not reach the remote there"):
            bring_up(first, "ingest", "count")
        proxy.fault = None
        monkeypatch.chdir(first)
        assert {stage: outcome.did for stage, outcome in pipeline("clip", "count").items()} == {
            "ingest": "cached", "count": "cached",
        }  # fmt: skip
        monkeypatch.chdir(second)
        did = {stage: outcome.did for stage, outcome in pipeline("clip", "package").items()}
        assert did == {"ingest": "cached", "count": "cached", "evaluate": "ran", "package": "ran"}
        for folder in (".dvc/cache", "data/raw", "runs"):  # as of a pod that begins with nothing
            shutil.rmtree(first / folder)
        monkeypatch.chdir(first)
        did = {stage: outcome.did for stage, outcome in pipeline("clip", "package").items()}
    assert did == {"ingest": "cached", "count": "cached", "evaluate": "restored", "package": "restored"}
    outcome = StageOutcome.read(first, "count", "clip")
    assert outcome is not None, "the one that failed to be sent had run here"
    status = subprocess.run(["git", "-C", first, "status", "--porcelain", "dvc.lock"], capture_output=True, text=True)
    assert "dvc.lock" in status.stdout
