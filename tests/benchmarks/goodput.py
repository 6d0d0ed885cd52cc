"""What a training keeps of its time on a machine that is taken back again and again: `python -m tests.benchmarks.goodput --every 60`.

The stage `pretrain` of the recipe `clip` at `laptop` on the emoji, run as a flow runs it, twice: once undisturbed, and once with a SIGTERM
to the stage every so many seconds, after which the flow starts it again. Goodput is the share of the time from the first step to the last
in which steps were made that count. What one interruption takes is measured in three parts, so that other intervals follow: `going` (from
the last step to the end of stage and DVC: the save is in it), `starting` (DVC, Python, imports, the selection, until the stage says its first
word), `loading` (until its first step, less what a step takes). What
all processes took of the CPU is beside them: on a busy machine it says more. Both runs must end in the same curves and weights, byte for byte, and no step may be done twice. Prints one JSON object as its last line; --keep writes it to docs/benchmarks/goodput.json.
"""

import argparse
import itertools
import json
import math
import os
import resource
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from components.stages.environment import set_environment
from components.stages.events import Event
from components.stages.outcome import StageOutcome
from flows.audience import AUDIENCE
from flows.workspace import Workspace
from infra.results import processor
from tests.benchmarks.environments import ROOT
from tests.benchmarks.loader import commit
from tests.workspace import dvc, make_workspace

KEPT_AT = ROOT / "docs/benchmarks/goodput.json"
ASKED_EVERY_S = 300.0  # what goodput is told for, beside what was measured
PARTS = ("going", "starting", "loading")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something that happened.

    Args:
        at_s: seconds by a clock that only goes forward.
        what: `step`, `said` (a stage told of other work), `term` (the signal was sent), `again` (the flow starts the stage again).
        step: optimizer steps that are done, where it is a step.
    """

    at_s: float
    what: str
    step: int = 0


Due = Callable[[Sequence[Mark]], bool]
"""Whether it is time for a signal, by what happened so far."""


@dataclass
class Watched:
    """An `Audience` that keeps when it heard of what."""

    marks: list[Mark] = field(default_factory=list)

    def began(self, name: str) -> None:
        """Nothing is timed by it."""

    def heard(self, event: Event) -> None:
        """Keep a step, or that there was a word."""
        step = event.doing == "training"
        self.marks.append(Mark(at_s=time.monotonic(), what="step" if step else "said", step=event.done if step else 0))

    def ended(self, name: str, how: str, seconds: float) -> None:
        """Say it, for whoever waits."""
        print(f"{name}: {how}, {seconds:.1f} s", file=sys.stderr, flush=True)

    def told(self, sentence: str) -> None:
        """Keep when the flow starts a stage again."""
        print(sentence, file=sys.stderr, flush=True)
        if sentence.endswith("running it again"):
            self.marks.append(Mark(at_s=time.monotonic(), what="again"))


def main() -> None:
    """Prepare the data, train twice, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--every", type=float, default=60.0, help="seconds between two signals, from the first step on (60)"
    )
    parser.add_argument(
        "--after-steps", type=int, help="a signal after so many steps instead, for a machine that is busy"
    )
    parser.add_argument("--steps", type=int, default=440, help="optimizer steps (440)")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(ROOT)}")
    given = parser.parse_args()
    set_environment()
    due = after(given.after_steps) if given.after_steps else every(given.every)
    how = f"--after-steps {given.after_steps}" if given.after_steps else f"--every {given.every:g}"
    with tempfile.TemporaryDirectory() as work:
        prepared = prepare(Path(work) / "prepared", given.steps)
        quiet, disturbed = (Path(work) / name for name in ("quiet", "disturbed"))
        for root in (quiet, disturbed):
            shutil.copytree(prepared, root, symlinks=True)
        (undisturbed, quiet_cpu_s), (marks, cpu_s) = trained(quiet, None), trained(disturbed, due)
        check_equal(quiet / "runs/clip/pretrain", disturbed / "runs/clip/pretrain")
        precision = json.loads((quiet / "runs/clip/pretrain/metrics.json").read_text(encoding="utf-8"))["precision"]
    said = judged(marks, undisturbed, cpu_s - quiet_cpu_s) | {
        "every_s": None if given.after_steps else given.every, "after_steps": given.after_steps, "steps": given.steps,
        "precision": precision,
        "machine": f"{os.cpu_count()} cores with a load of {os.getloadavg()[1]:.0f}, {processor()}, no GPU", "date": time.strftime("%Y-%m-%d"), "commit": commit(),
        "command": f"python -m tests.benchmarks.goodput {how} --steps {given.steps}",
    }  # fmt: skip
    if given.keep:
        KEPT_AT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))


def prepare(root: Path, steps: int) -> Path:
    """Return a workspace in which all before pretrain was run."""
    overrides = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["overrides"]
    make_workspace(
        root,
        scale="laptop",
        recipes={"clip": {"start": "data/untrained.txt"}},
        overrides={**overrides, "training": {"steps": steps}},
    )
    ran = dvc(root, "repro", "curate@clip")
    if ran.returncode:
        raise RuntimeError(f"the data could not be made, so there is nothing to train on:\n{ran.stdout}{ran.stderr}")
    return root


def trained(root: Path, due: Due | None) -> tuple[list[Mark], float]:
    """Run pretrain as a flow does, told to go when it is due; return what happened, and the CPU-seconds of its processes."""
    watched, before_s = Watched(), ended_cpu_s()
    token = AUDIENCE.set(watched)
    try:
        with Workspace.here("clip", root) as workspace, taken_back(root, due, watched):
            workspace.repro("pretrain")
    finally:
        AUDIENCE.reset(token)
    return watched.marks, ended_cpu_s() - before_s


def ended_cpu_s() -> float:
    """Return what all processes below this one have used that ended, and those below them."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def every(seconds: float) -> Due:
    """Return what is due so many seconds after the first step, and after each signal."""

    def due(marks: Sequence[Mark]) -> bool:
        since = [mark for mark in marks if mark.what == "term"] or [mark for mark in marks if mark.what == "step"]
        from_s = since[-1 if since[-1].what == "term" else 0].at_s if since else math.inf
        return time.monotonic() - from_s >= seconds

    return due


def after(steps: int) -> Due:
    """Return what is due when so many steps were made since the stage was started."""

    def due(marks: Sequence[Mark]) -> bool:
        made = 0
        for mark in reversed(marks):
            if mark.what in ("term", "again"):
                return mark.what == "again" and made >= steps
            made += mark.what == "step"
        return made >= steps

    return due


@contextmanager
def taken_back(root: Path, due: Due | None, watched: Watched) -> Iterator[None]:
    """Send SIGTERM to the stage when it is due, while the block runs."""
    over = threading.Event()

    def send() -> None:
        while not over.wait(0.05):
            outcome = StageOutcome.read(root, "pretrain", "clip")
            if due is not None and due(tuple(watched.marks)) and outcome is not None and outcome.lives:
                watched.marks.append(Mark(at_s=time.monotonic(), what="term"))
                os.kill(outcome.pid, signal.SIGTERM)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        yield
    finally:
        over.set()
        sender.join()


def judged(marks: list[Mark], undisturbed: list[Mark], more_cpu_s: float) -> dict[str, Any]:
    """Return what the interruptions took, and the shares that follow; RuntimeError when there was none, or a step was done twice.

    Args:
        marks: of the run that was interrupted.
        undisturbed: of the other, which only says how long it took beside that.
        more_cpu_s: CPU-seconds that the first took more than the other.
    """
    times = [stop_between(before, after) for before, after in turns(marks)]
    if not times:
        raise RuntimeError(
            "no signal came before the last step, so nothing was measured. Take more --steps, or a shorter --every."
        )
    lost = [sum(one.values()) for one in times]
    whole_s, quiet_s = (length_s(one) for one in (marks, undisturbed))
    return {
        "bench": "goodput", "interruptions": len(times), "goodput": round(1 - sum(lost) / whole_s, 4),
        "beside_undisturbed": round(quiet_s / whole_s, 4), "seconds": round(whole_s, 1), "undisturbed_seconds": round(quiet_s, 1),
        "lost_s": {"median": round(statistics.median(lost), 2), "most": round(max(lost), 2)},
        "cpu_s": round(more_cpu_s / len(times), 2),
        "parts_s": {part: round(statistics.median(one[part] for one in times), 2) for part in PARTS},
        "at_300_s_by_cpu": round(1 - more_cpu_s / len(times) / ASKED_EVERY_S, 4),
        "at_300_s": round(1 - statistics.median(lost) / ASKED_EVERY_S, 4), "at_300_s_worst": round(1 - max(lost) / ASKED_EVERY_S, 4),
        "steps_done_twice": 0, "equal": "curves and weights, byte for byte",
    }  # fmt: skip


def turns(marks: list[Mark]) -> list[tuple[list[Mark], list[Mark]]]:
    """Return what came before and after each time the stage was started again, up to the time before and after that."""
    parts: list[list[Mark]] = [[]]
    for mark in marks:
        if mark.what == "again":
            parts.append([])
        parts[-1].append(mark)
    return list(itertools.pairwise(parts))


def stop_between(before: list[Mark], after: list[Mark]) -> dict[str, float]:
    """Return seconds lost by one interruption, by part; RuntimeError when a step was done twice or left out.

    The step in which the signal came is made and saved, and nobody is told of it: it counts as one of the usual length.
    """
    last = [mark for mark in before if mark.what == "step"][-1]
    steps = [mark for mark in after if mark.what == "step"]
    untold = steps[0].step - last.step - 1
    if untold not in (0, 1):
        raise RuntimeError(
            f"after step {last.step} came step {steps[0].step}, so steps were done twice or left out. A resume goes on from the step "
            "in which the signal came: look at components/training/callbacks.py."
        )
    again, word, step_s = after[0].at_s, after[1].at_s, a_step_s(before)
    return {
        "going": max(0.0, again - last.at_s - untold * step_s), "starting": word - again,
        "loading": max(0.0, steps[0].at_s - word - step_s),
    }  # fmt: skip


def a_step_s(marks: list[Mark]) -> float:
    """Return what a step takes, the median."""
    steps = [mark for mark in marks if mark.what == "step"]
    return statistics.median(
        (after.at_s - before.at_s) / (after.step - before.step) for before, after in itertools.pairwise(steps)
    )


def length_s(marks: list[Mark]) -> float:
    """Return the time from the first step to the last."""
    steps = [mark for mark in marks if mark.what == "step"]
    return steps[-1].at_s - steps[0].at_s


def check_equal(one: Path, other: Path) -> None:
    """Raise RuntimeError when two trainings did not leave the same curves and weights."""
    names = sorted(path.name for path in one.iterdir() if path.suffix in (".csv", ".safetensors"))
    if len(names) < 2:
        raise RuntimeError(f"{one} has no curves and weights to compare, only {names}.")
    differ = [name for name in names if (one / name).read_bytes() != (other / name).read_bytes()]
    if differ:
        raise RuntimeError(
            f"the run that was interrupted left other {', '.join(differ)} than the other: a resume is not exact."
        )


if __name__ == "__main__":
    main()
