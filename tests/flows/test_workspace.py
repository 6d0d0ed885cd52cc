"""A workspace on real git, real DVC and real stages."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components.contracts.errors import Busy, ConfigError, GateClosed, TransientError
from components.stages.events import Event
from components.stages.outcome import StageOutcome
from flows.audience import AUDIENCE, Lines
from flows.workspace import Workspace
from tests.flows.seed import set_seed


@pytest.fixture
def audience():
    """One that keeps what it hears, for as long as the test."""
    its = Heard()
    before = AUDIENCE.set(its)
    yield its
    AUDIENCE.reset(before)


class Heard(Lines):
    """An audience that keeps what it hears."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def heard(self, event: Event) -> None:
        self.events.append(event)


def bring_up(root: Path) -> dict[str, str]:
    """Bring every stage up to date; return what each took."""
    with Workspace.here("clip", root) as workspace:
        return {stage: workspace.repro(stage).did for stage in ("ingest", "count")}


def test_stages_are_read_from_dvc_yaml(toy):
    with Workspace.here("clip", toy) as workspace:
        assert workspace.stages() == ("ingest", "count", "evaluate", "package")
        assert workspace.stages(until="ingest") == ("ingest",)
        assert [workspace.address(stage) for stage in workspace.stages("count")] == ["ingest", "count@clip"]
        with pytest.raises(ConfigError, match=r"no stage 'train'\. It has ingest, count, "):
            workspace.address("train")


def test_a_stage_runs_once_and_is_restored_when_its_inputs_come_back(toy, audience):
    assert bring_up(toy) == {"ingest": "ran", "count": "ran"}
    assert str(audience.events[-1]) == "count clip: step 5 of 5, 1,000 samples/s"
    assert {event.stage for event in audience.events} == {"ingest", "count"}
    assert bring_up(toy) == {"ingest": "cached", "count": "cached"}
    assert (toy / ".diptych").stat().st_mode & 0o077 == 0
    assert any((toy / ".diptych/dvc").rglob("*.db")), "DVC's caches lie in there, and not in a folder for everybody"
    params = (toy / "params.yaml").read_text()
    (toy / "params.yaml").write_text(params.replace("seed: 1", "seed: 2"))
    with Workspace.here("clip", toy) as workspace:
        assert any("params.yaml" in reason for reason in workspace.stale()["ingest"])
    assert bring_up(toy) == {"ingest": "ran", "count": "ran"}
    (toy / "params.yaml").write_text(params)
    assert bring_up(toy) == {"ingest": "restored", "count": "restored"}


def test_a_shell_repro_shares_every_byte(toy):
    bring_up(toy)
    repro = [sys.executable, "-m", "dvc", "repro", "count@clip"]
    assert "Running stage" not in subprocess.run(repro, capture_output=True, text=True, check=True).stdout
    set_seed(toy, 3)
    subprocess.run(repro, capture_output=True, check=True)
    assert bring_up(toy) == {"ingest": "cached", "count": "cached"}


def test_a_failing_stage_raises_what_it_raised(toy):
    (toy / "closed").touch()
    with pytest.raises(GateClosed, match="count@clip: 3% of the pairs are broken"):
        bring_up(toy)


def test_a_fault_of_the_world_is_told_from_a_mistake(toy):
    (toy / "flaky").touch()
    with pytest.raises(TransientError, match="the line dropped"):
        bring_up(toy)
    assert bring_up(toy) == {"ingest": "cached", "count": "ran"}


def test_a_missing_input_is_dvcs_own_failure(toy):
    with Workspace.here("clip", toy) as workspace, pytest.raises(Exception, match="DVC could not bring count@clip"):
        workspace.repro("count")


def test_two_writers_are_refused(toy):
    with (
        Workspace.here("clip", toy),
        pytest.raises(Busy, match=f"process {os.getpid()}"),
        Workspace.here("clip", toy),
    ):
        pass


def test_a_recipe_that_params_do_not_list_is_refused(toy):
    with pytest.raises(ConfigError, match=r"lists the recipes clip, and 'siglip'"), Workspace.here("siglip", toy):
        pass


def test_an_ignored_lock_is_said_before_a_stage_has_worked_for_nothing(toy):
    with (toy / ".git/info/exclude").open("a") as file:
        file.write("*.lock\n!dvc.lock\n")
    with Workspace.here("clip", toy):
        pass
    with (toy / ".git/info/exclude").open("a") as file:
        file.write("*.lock\n")
    with (
        pytest.raises(ConfigError, match=r"\.git/info/exclude:\d+:\*\.lock\), and DVC writes nothing"),
        Workspace.here("clip", toy),
    ):
        pass


@pytest.mark.parametrize("missing", [".dvc/config", ".git", "dvc.yaml"])
def test_outside_of_a_workspace_it_says_what_is_missing(toy, missing, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(toy.parent))
    path = toy / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with (
        pytest.raises(ConfigError, match="git repository" if missing == ".git" else missing),
        Workspace.here("clip", toy),
    ):
        pass


def test_a_repository_of_another_user_is_told_from_none_with_what_mends_it(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "settings"))
    with pytest.raises(ConfigError, match="detected dubious ownership") as refused, Workspace.here("clip", toy):
        pass
    assert "not a git repository" not in str(refused.value)
    subprocess.run(str(refused.value).partition("trust it: ")[2], shell=True, check=True)
    with Workspace.here("clip", toy):
        pass


def test_a_repository_that_git_cannot_read_is_told_as_git_says_it(toy):
    (toy / ".git/config").write_text("[core\n")
    with (
        pytest.raises(ConfigError, match=r"It says: bad config line 1 in file \S*\.git/config"),
        Workspace.here("clip", toy),
    ):
        pass


RUN = """
import signal, sys
from components.stages.events import Event
from flows.audience import AUDIENCE, Lines
from flows.workspace import Workspace
def stop(number, frame):
    raise SystemExit(128 + number)
signal.signal(signal.SIGTERM, stop)
with Workspace.here("clip") as workspace:
    print(*workspace.news, sep="\\n", flush=True)
    for stage in ("ingest", "count"):
        print(workspace.repro(stage).did, flush=True)
"""


def begin_and_hold(toy: Path, until) -> subprocess.Popen[str]:
    """Start a run in a process of its own and return when count stands at its first step."""
    (toy / "hold").touch()
    process = subprocess.Popen(
        [sys.executable, "-c", RUN],
        cwd=toy,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    position = toy / ".diptych/outcome/count@clip.position"
    until(lambda: position.exists() and "step 1 of 5" in position.read_text(), lambda: process.poll())
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_leaves_no_process_and_the_next_goes_on(toy, until, left_in, number):
    process = begin_and_hold(toy, until)
    process.send_signal(number)
    process.wait(timeout=60)
    until(lambda: not left_in(toy), lambda: left_in(toy))
    assert not (toy / "runs/clip/pretrain").exists()
    (toy / "hold").unlink()
    with Workspace.here("clip", toy) as workspace:
        said = "the last run was killed in count@clip at step 1 of 5; this one goes on from there"
        assert workspace.news == ((said,) if number == signal.SIGKILL else ()), "of the others, people were told"
    assert bring_up(toy) == {"ingest": "cached", "count": "ran"}
    assert (toy / "runs/clip/pretrain/first").read_text() == "1", "it went on from step 1"


def test_a_stage_that_alone_is_told_to_go_is_run_again_and_goes_on(toy, until, left_in):
    process = begin_and_hold(toy, until)
    outcome = StageOutcome.read(toy, "count", "clip")
    assert outcome is not None
    os.kill(outcome.pid, signal.SIGTERM)
    until(lambda: (now := StageOutcome.read(toy, "count", "clip")) is not None and now.pid != outcome.pid)
    (toy / "hold").unlink()
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0, printed
    assert "stopped at step 1 of 5 by SIGTERM; the next run goes on from there; running it again\n" in printed
    assert printed.endswith("ran\n")
    assert (toy / "runs/clip/pretrain/first").read_text() == "1"


def test_after_a_killed_stage_the_next_run_says_where(toy, until, left_in):
    process = begin_and_hold(toy, until)
    outcome = StageOutcome.read(toy, "count", "clip")
    assert outcome is not None
    os.kill(outcome.pid, signal.SIGKILL)
    assert process.wait(timeout=60) == 1
    until(lambda: not left_in(toy), lambda: left_in(toy))
    (toy / "hold").unlink()
    with Workspace.here("clip", toy) as workspace:
        assert workspace.news == ("the last run was killed in count@clip at step 1 of 5; this one goes on from there",)
        assert workspace.repro("count").did == "ran"
    with Workspace.here("clip", toy) as workspace:
        assert workspace.news == ()


def test_a_killed_dvc_takes_its_stage_along_and_its_lock_does_not_stay(toy, until, left_in):
    process = begin_and_hold(toy, until)
    outcome = StageOutcome.read(toy, "count", "clip")
    assert outcome is not None
    process.kill()
    process.wait()
    until(lambda: not left_in(toy), lambda: left_in(toy))
    rwlock = toy / ".dvc/tmp/rwlock"
    locks = json.loads(rwlock.read_text())
    assert locks["write"], "a killed dvc leaves its lock"
    for held in locks["write"].values():
        held["pid"] = os.getpid()  # the pid is in use again, by somebody who is no dvc
    rwlock.write_text(json.dumps(locks))
    (toy / "hold").unlink()
    assert bring_up(toy)["count"] == "ran"


def test_half_written_files_of_dvc_do_not_block_the_next_run(toy):
    bring_up(toy)
    set_seed(toy, 2)
    bring_up(toy)
    whole = (toy / "dvc.lock").read_text()
    (toy / "dvc.lock").write_text(whole[: len(whole) // 2] + "\n  - {")
    (toy / ".dvc/tmp/rwlock").write_text('{"write": {"/a')
    assert bring_up(toy) == {"ingest": "cached", "count": "restored"}


def test_a_shell_repro_that_is_killed_takes_its_stage_along(toy, until, left_in):
    (toy / "hold").touch()
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"], cwd=toy, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    position = toy / ".diptych/outcome/count@clip.position"
    until(lambda: position.exists() and "step 1 of 5" in position.read_text())
    process.kill()
    process.wait()
    until(lambda: not left_in(toy), lambda: left_in(toy))
    outcome = StageOutcome.read(toy, "count", "clip")
    assert outcome is not None
    assert outcome.state == "interrupted"


@pytest.mark.parametrize("module", ["cli", "pipeline", "workspace", "summary", "view"])
def test_flows_do_not_import_torch(module):
    code = f"import sys, flows.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
