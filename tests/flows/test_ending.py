"""How a command ends that is stopped, that nobody reads, or that was started with a stream closed, or in a folder that is gone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components.stages.outcome import StageOutcome
from components.stages.processes import start_ticks
from flows.ending import Terminated, stopped
from tests.workspace import environment

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def signals():
    """What is done with signals, which a command that was stopped does not care for any more."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def outcome(root: Path, stage: str, pid: int, **its: object) -> None:
    values = {"state": "running", "recipe": "clip", "run": None, "at": "2026-01-01T00:00:00+00:00", **its}
    StageOutcome(stage=stage, pid=pid, started_ticks=start_ticks(os.getpid()), **values).write(root)


def in_shell(script: str, *arguments: str, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    """Run a script of bash, whose $1 is Python."""
    return subprocess.run(
        ["bash", "-c", script, "bash", sys.executable, *arguments], cwd=cwd, env=environment(PYTHONPATH=str(REPOSITORY)),
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.usefixtures("signals")
def test_where_a_stage_was_stopped_is_said_and_what_the_next_run_does(tmp_path, capsys):
    outcome(tmp_path, "pretrain", 0, state="interrupted", position="step 40 of 120", resumes=True)
    assert stopped(tmp_path, 0.0, KeyboardInterrupt()) == 130
    said = "diptych: stopped by Ctrl-C in pretrain@clip at step 40 of 120; the next run goes on from there.\n"
    assert capsys.readouterr().err == said


@pytest.mark.usefixtures("signals")
def test_a_stage_that_goes_on_for_somebody_else_was_not_stopped(tmp_path, capsys):
    outcome(tmp_path, "pretrain", os.getpid())
    assert stopped(tmp_path, 0.0, Terminated(signal.SIGTERM)) == 143
    assert capsys.readouterr().err == "diptych: stopped by SIGTERM.\n"
    outcome(tmp_path, "evaluate", 2**22 + 1)
    assert stopped(tmp_path, 0.0, Terminated(signal.SIGHUP)) == 129
    assert "stopped by SIGHUP in evaluate@clip; the next run starts it again" in capsys.readouterr().err


@pytest.mark.usefixtures("signals")
def test_what_cannot_be_read_of_a_stage_takes_the_sentence_away_from_nobody(tmp_path, capsys):
    (tmp_path / ".diptych/outcome").mkdir(parents=True)
    (tmp_path / ".diptych/outcome/pretrain@clip.json").write_text("[]")
    (tmp_path / ".diptych/outcome/evaluate@clip.json").write_text("{")
    assert stopped(tmp_path, 0.0, KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "diptych: stopped by Ctrl-C.\n"


@pytest.mark.parametrize("asked", ["recipes", "recipes --json"])
def test_a_reader_that_goes_away_ends_a_command_in_silence(asked):
    ended = in_shell(f'"$1" -m flows.cli {asked} | true; echo "${{PIPESTATUS[0]}}"')
    assert (ended.stdout, ended.stderr) == ("141\n", "")


def test_a_stream_that_is_closed_is_nothing():
    program = "import sys; from flows.faults import with_streams; with_streams(); print('said'); sys.stderr.write('x')"
    ended = in_shell('"$1" -c "$2; sys.exit(sys.stderr.fileno() - 2)" 2>&-', program)
    assert (ended.returncode, ended.stdout) == (0, "said\n")
    assert in_shell('"$1" -c "$2" >&-', program).stderr == "x"


def test_a_folder_that_is_gone_is_said_to_be(tmp_path):
    ended = in_shell('mkdir gone && cd gone && rmdir ../gone && "$1" -m flows.cli status', cwd=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.endswith(
        "diptych: the folder that this shell stands in was removed. Go to one that is there: cd FOLDER\n"
    )
