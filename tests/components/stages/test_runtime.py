"""The frame of a stage, on real processes and real signals."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from components.stages.code import FOLDER, GONE, LISTS, code_then, codes, md5_of, put_code
from tests.gone import gone


def test_outputs_appear_whole_and_the_outcome_says_ran(toy):
    code, printed = toy.run("write", "--recipe", "clip")
    assert code == 0, printed
    assert (toy.root / "out/left/a").read_text() == "left"
    assert (toy.root / "out/right/b").read_text() == "right"
    outcome = toy.outcome("clip")
    assert (outcome.state, outcome.exit_code, outcome.position) == ("ran", 0, "part 2 of 2")
    assert outcome.seconds is not None
    assert outcome.cpu_seconds is not None
    assert "toy clip: part 1 of 2, loss 2.5\n" in printed
    assert not list((toy.root / ".diptych/tmp/toy@clip").iterdir())
    assert (toy.root / ".diptych").stat().st_mode & 0o777 == 0o700


def test_a_stage_is_of_the_code_that_it_began_with_whatever_is_edited_meanwhile(toy):
    (toy.root / "dvc.yaml").write_text("stages: {code: {}, toy: {}}\n")
    (toy.root / "components/stages").mkdir(parents=True)
    (toy.root / "components/a.py").write_text("as it was")
    (toy.root / LISTS).write_text("toy:\n- components/a.py\n")
    began = codes(toy.root)["toy"]
    code, printed = toy.run("edited", "--recipe", "clip")
    assert code == 0, printed
    assert codes(toy.root)["toy"] != began
    assert (toy.root / FOLDER / "toy").read_text() == began, "which DVC reads when a stage has ended"
    assert code_then(toy.root, "toy@clip", md5_of(began)) == began
    (toy.root / "components/a.py").write_text("edited between the flow's look and the start")
    assert toy.run("write", "--recipe", "clip", DIPTYCH_RUN="0a")[0] == 0
    assert (toy.root / FOLDER / "toy").read_text() == f"{GONE}  components/a.py\n", "so that it runs again"
    put_code(toy.root, "toy", codes(toy.root)["toy"])
    assert toy.run("write", "--recipe", "clip", DIPTYCH_RUN="0a")[0] == 0
    assert (toy.root / FOLDER / "toy").read_text() == codes(toy.root)["toy"]
    (toy.root / LISTS).write_text("toy: [")
    assert toy.run("write")[0] == 0, "DVC's stage `code` says that nobody can read that"


def test_a_second_run_by_hand_replaces_the_first(toy):
    assert toy.run("write")[0] == toy.run("write")[0] == 0
    assert sorted(p.name for p in (toy.root / "out").rglob("*")) == ["a", "b", "left", "right"]


def test_a_known_fault_is_one_message_and_leaves_no_output(toy):
    code, printed = toy.run("broken")
    assert (code, printed) == (1, "toy: row 7 is broken. Mend it.\n")
    assert not (toy.root / "out").exists()
    outcome = toy.outcome()
    assert (outcome.state, outcome.error, outcome.transient) == ("failed", "DataError", False)
    assert "Traceback" in (toy.root / ".diptych/logs/toy.log").read_text()


def test_an_unforeseen_fault_names_the_log_instead_of_a_traceback(toy):
    code, printed = toy.run("crash")
    assert (code, printed) == (1, "toy: KeyError: 'surprise' (traceback in .diptych/logs/toy.log)\n")


def test_a_fault_of_the_world_exits_with_75(toy):
    code, _ = toy.run("flaky")
    assert code == 75
    assert toy.outcome().transient


def test_a_crash_in_c_leaves_its_stack_in_the_log(toy):
    code, _ = toy.run("segfault")
    assert code == -signal.SIGSEGV
    assert "segfault" in (toy.root / ".diptych/logs/toy.log").read_text()
    assert toy.outcome().state == "running"
    assert not toy.outcome().lives


def test_two_at_once_are_refused_with_the_pid_of_the_first(toy, until, monkeypatch):
    first = toy.start("wait")
    until(lambda: (toy.root / ".diptych/outcome/toy.position").exists())
    code, printed = toy.run("write", DIPTYCH_LOCK_WAIT_S="0.1")
    assert code == 1
    assert f"process {first.pid}" in printed
    assert toy.outcome().lives, "the refused one must not overwrite the outcome of the one at work"
    assert toy.run("write", "--recipe", "other", DIPTYCH_LOCK_WAIT_S="0.1")[0] == 0


def test_outside_of_a_workspace_it_says_so(toy):
    (toy.root / "dvc.yaml").unlink()
    code, printed = toy.run("write")
    assert code == 1
    assert "no dvc.yaml" in printed


def full_pipe(toy) -> tuple[int, str]:
    """Return a FIFO in which no event has room, open for reading, and its path."""
    path = str(toy.root / "events")
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(descriptor, b"\n" * 4096)
    return descriptor, path


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_at_its_work_cleans_up_and_says_one_sentence(toy, until, number, code):
    descriptor, path = full_pipe(toy)
    process = toy.start("steps", DIPTYCH_EVENTS=path)
    until(lambda: toy.root.joinpath(".diptych/outcome/toy.position").exists() and toy.outcome().state == "running")
    until(lambda: "step 1 of 5" in (toy.root / ".diptych/outcome/toy.position").read_text())
    process.send_signal(number)
    printed, _ = process.communicate(timeout=30)
    assert process.returncode == code
    assert printed == f"toy: stopped at step 1 of 5 by {number.name}; the next run goes on from there\n"
    assert not (toy.root / "out").exists()
    assert not list((toy.root / ".diptych/tmp/toy").iterdir())
    assert (toy.outcome().state, toy.outcome().resumes) == ("interrupted", True)
    os.close(descriptor)
    assert toy.run("steps")[0] == 0
    assert (toy.root / "out/first").read_text() == "1"
    assert not (toy.root / ".diptych/resume/toy").exists(), "what was kept for resuming goes when the stage succeeds"


def test_after_kill_the_next_run_says_it_and_goes_on(toy, until):
    descriptor, path = full_pipe(toy)
    process = toy.start("steps", DIPTYCH_EVENTS=path)
    until(lambda: "step 1 of 5" in _text(toy.root / ".diptych/outcome/toy.position"))
    process.kill()
    process.wait()
    os.close(descriptor)
    assert toy.outcome().state == "running"
    assert not toy.outcome().lives
    code, printed = toy.run("steps")
    assert code == 0
    assert printed.startswith("the last run was killed in toy at step 1 of 5; this one goes on from there\n")
    assert (toy.root / "out/first").read_text() == "1"
    assert not [p for p in (toy.root / ".diptych/tmp/toy").iterdir()]


def test_nothing_is_resumed_with_other_inputs(toy, until):
    descriptor, path = full_pipe(toy)
    process = toy.start("steps", DIPTYCH_EVENTS=path)
    until(lambda: "step 1 of 5" in _text(toy.root / ".diptych/outcome/toy.position"))
    process.terminate()
    process.wait()
    os.close(descriptor)
    (toy.root / "in/pairs").write_text("other\n")
    assert toy.run("steps")[0] == 0
    assert (toy.root / "out/first").read_text() == "0"


def test_children_end_with_the_stage(toy, until, tree):
    process = toy.start("wait")
    until(lambda: len(tree(process.pid)) == 2)
    children = tree(process.pid)
    process.terminate()
    process.wait()
    until(lambda: all(map(gone, children)), lambda: children)


def test_forked_workers_die_even_when_the_stage_is_killed(toy, until, tree):
    process = toy.start("wait")
    until(lambda: len(tree(process.pid)) == 2)
    worker = next(child for child in tree(process.pid) if "toy.py" in " ".join(child.cmdline()))
    others = [child for child in tree(process.pid) if child != worker]
    process.kill()
    process.wait()
    until(lambda: gone(worker), lambda: worker)
    for other in others:
        other.kill()


def test_an_interruption_that_the_body_swallows_still_ends_it(toy, until):
    process = toy.start("deaf")
    until(lambda: "step 1 of 2" in _text(toy.root / ".diptych/outcome/toy.position"))
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 143


# An owner that starts a shell that starts the stage, as the flow, DVC and the stage are.
OWNER = """
import os, subprocess, sys
os.environ["DIPTYCH_OWNER"] = str(os.getpid())
middle = "import subprocess, sys; subprocess.run(sys.argv[1:])"
subprocess.run([sys.executable, "-c", middle, sys.executable, "-u", *sys.argv[1:]])
sys.stdin.read()
"""


@pytest.mark.parametrize("victim", ["owner", "middle"])
def test_a_stage_does_not_outlive_who_started_it(toy, until, tree, victim):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(toy_file()), "wait"], cwd=toy.root, stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(toy_file().parents[3])},
    )  # fmt: skip
    until(lambda: "step 1 of 2" in _text(toy.root / ".diptych/outcome/toy.position"))
    below = tree(owner.pid)
    (owner if victim == "owner" else below[0]).kill()
    until(lambda: all(map(gone, below)), lambda: [p for p in below if not gone(p)])
    outcome = toy.outcome()
    owner.communicate()
    assert outcome.state == "interrupted"
    assert outcome.untold == (victim == "owner"), "an owner that lives is told by the exit code"
    assert ("which had started it, is gone" in (outcome.message or "")) == (victim == "owner")


def test_a_stage_whose_owner_is_gone_before_it_begins_does_not_begin(toy):
    code, printed = toy.run("write", DIPTYCH_OWNER="999999999")
    assert code == 143
    assert "stopped before its work began" in printed
    assert toy.run("write", DVC_STAGE="toy")[0] == 143
    assert not (toy.root / "out").exists()


def test_events_are_lines_of_json_with_the_time_left(toy):
    path = toy.root / "events.jsonl"
    code, printed = toy.run("steps", "--recipe", "clip", DIPTYCH_EVENTS=str(path))
    assert (code, printed) == (0, "")
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert events[0] == {
        "stage": "toy", "recipe": "clip", "doing": "step", "done": 1, "total": 5, "left_s": None, "seen": {},
    }  # fmt: skip
    assert events[-1]["done"] == 5
    assert events[-1]["left_s"] == 0


def _text(path) -> str:
    return path.read_text() if path.exists() else ""


def toy_file():
    from pathlib import Path

    return Path(__file__).with_name("toy.py")
