"""What the benchmark of spot machines makes of what it saw, on times that can be added by hand."""

import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from components.stages.events import Event
from components.stages.outcome import StageOutcome
from components.stages.processes import start_ticks
from tests.benchmarks import goodput, goodput_page
from tests.benchmarks.goodput import Mark, Watched


def step(at_s: float, number: int) -> Mark:
    return Mark(at_s=at_s, what="step", step=number)


UNDISTURBED = [Mark(at_s=0, what="said"), *(step(10 + n, n) for n in range(1, 11))]
# The signal comes in step 4, which is made and saved untold by 15; 2 s to go, 3 to start, 4 to load, and step 5 takes a second.
DISTURBED = [
    Mark(at_s=0, what="said"), *(step(10 + n, n) for n in range(1, 4)), Mark(at_s=13.5, what="term"), Mark(at_s=16, what="again"),
    Mark(at_s=19, what="said"), *(step(19 + n, n) for n in range(5, 11)),
]  # fmt: skip


def test_an_interruption_is_three_parts_and_the_rest_was_kept():
    said = goodput.judged(DISTURBED, UNDISTURBED, more_cpu_s=6.0)
    assert said["parts_s"] == {"going": 2, "starting": 3, "loading": 4}
    assert said["lost_s"] == {"median": 9, "most": 9}
    assert (said["interruptions"], said["seconds"], said["undisturbed_seconds"], said["cpu_s"]) == (1, 18, 9, 6)
    assert said["goodput"] == said["beside_undisturbed"] == 0.5
    assert said["at_300_s"] == said["at_300_s_worst"] == 0.97


def test_a_step_that_was_told_leaves_none_untold():
    told = [*DISTURBED[:4], step(14, 4), *DISTURBED[4:]]
    assert goodput.judged(told, UNDISTURBED, 0.0)["parts_s"] == {"going": 2, "starting": 3, "loading": 4}


@pytest.mark.parametrize("first", [3, 6])
def test_a_resume_that_is_not_exact_is_a_fault(first):
    other = [replace(mark, step=mark.step + first - 5) if mark.step > 4 else mark for mark in DISTURBED]
    with pytest.raises(RuntimeError, match=f"after step 3 came step {first}, so steps were done twice or left out"):
        goodput.judged(other, UNDISTURBED, 0.0)


def test_no_interruption_is_no_measurement():
    with pytest.raises(RuntimeError, match="no signal came before the last step"):
        goodput.judged(UNDISTURBED, UNDISTURBED, 0.0)


def test_two_trainings_that_differ_are_told_by_file(tmp_path):
    for name, loss in (("one", "2.0"), ("other", "2.1")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "curves.csv").write_text(loss)
        (tmp_path / name / "weights.safetensors").write_text("the same")
    goodput.check_equal(tmp_path / "one", tmp_path / "one")
    with pytest.raises(RuntimeError, match=r"left other curves\.csv than the other: a resume is not exact"):
        goodput.check_equal(tmp_path / "one", tmp_path / "other")
    (tmp_path / "one/curves.csv").unlink()
    with pytest.raises(RuntimeError, match="has no curves and weights to compare"):
        goodput.check_equal(tmp_path / "one", tmp_path / "other")


def test_what_is_heard_is_kept_with_its_time():
    watched = Watched()
    for doing, done in (("checking decoded pictures", 7), ("training", 3)):
        watched.heard(Event(stage="pretrain", recipe="clip", doing=doing, done=done, total=9))
    watched.told(
        "pretrain@clip: stopped at training 3 of 9 by SIGTERM; the next run goes on from there; running it again"
    )
    watched.told("something else")
    assert [(mark.what, mark.step) for mark in watched.marks] == [("said", 0), ("step", 3), ("again", 0)]
    assert sorted(mark.at_s for mark in watched.marks) == [mark.at_s for mark in watched.marks]


def test_the_signal_goes_to_the_stage_that_lives_and_comes_only_after_a_first_step(tmp_path):
    stage = subprocess.Popen([sys.executable, "-S", "-c", "import signal; signal.pause()"])
    StageOutcome(
        stage="pretrain",
        recipe="clip",
        state="running",
        pid=stage.pid,
        started_ticks=start_ticks(stage.pid),
        run=None,
        at="",
    ).write(tmp_path)
    watched = Watched()
    with goodput.taken_back(tmp_path, goodput.every(0.01), watched):
        assert stage.poll() is None
        assert watched.marks == []
        watched.heard(Event(stage="pretrain", recipe="clip", doing="training", done=1, total=9))
        assert stage.wait(timeout=60) == -signal.SIGTERM
    assert [mark.what for mark in watched.marks][:2] == ["step", "term"]


def test_a_signal_is_due_by_time_from_the_first_step_and_from_the_last_signal(monkeypatch):
    due = goodput.every(60.0)
    monkeypatch.setattr(goodput.time, "monotonic", lambda: 100.0)
    assert [due(marks) for marks in ((), (Mark(at_s=0, what="said"),), (step(41, 1),), (step(40, 1), step(99, 2)))] == [
        False, False, False, True,
    ]  # fmt: skip
    assert not due((step(1, 1), Mark(at_s=41, what="term"), step(42, 2)))
    assert due((step(1, 1), Mark(at_s=40, what="term")))


def test_a_signal_is_due_by_steps_since_the_start_and_once():
    due = goodput.after(3)
    before = [step(1, 1), step(2, 2)]
    assert [due(before), due([*before, step(3, 3)])] == [False, True]
    told = [*before, step(3, 3), Mark(at_s=4, what="term"), step(5, 4)]
    assert not due(told)
    again = [*told, Mark(at_s=6, what="again"), Mark(at_s=7, what="said"), step(8, 5), step(9, 6)]
    assert [due(again), due([*again, step(10, 7)])] == [False, True]


def test_the_page_shows_what_was_measured():
    page = goodput_page.PAGE.read_text(encoding="utf-8")
    assert goodput_page.with_numbers(page) == page
