"""The frame that every stage runs in: one at a time, whole outputs, an honest end, and no process left behind.

    if __name__ == "__main__":
        sys.exit(run_stage("curate", curate))

DIPTYCH_EVENTS names a file or FIFO that gets the progress as lines of JSON; DIPTYCH_OWNER the process that the stage
must not outlive; DIPTYCH_RUN an id to find in the outcome file.
"""

import argparse
import faulthandler
import os
import resource
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGTERM
from typing import TextIO

from components.contracts.errors import ConfigError, DiptychError, Interrupted, explained, is_transient
from components.stages import ancestors, processes
from components.stages.code import FOLDER, codes, has_code, keep_code, of_both, put_code
from components.stages.disk import full_disk
from components.stages.events import Teller, read_position
from components.stages.garbage import collect_from_now, collect_no_more
from components.stages.lock import hold
from components.stages.outcome import StageOutcome, sentence
from components.stages.place import address, private
from components.stages.resume import has_something, resume_base
from components.stages.signals import Signals
from components.stages.stage import Stage

TRANSIENT_EXIT = 75  # EX_TEMPFAIL; through DVC it arrives as 255, which is why there is an outcome file
_GRACE_S = 10.0  # between asking and KILL; a step of training and a checkpoint fit in
_LOCK_WAIT_S = "10"  # a stage whose flow was killed needs a moment to notice; the next run should not fail on it


def run_stage(name: str, body: Callable[[Stage], None], argv: Sequence[str] | None = None) -> int:
    """Run `body` as the stage `name` of the workspace we stand in, and return the exit code.

    0 when it ran; 75 when it failed in a way that another try may mend; 128 + signal when it was stopped; 1 otherwise.
    Says so in one sentence, and leaves the traceback in .diptych/logs and the rest in .diptych/outcome.
    """
    collect_from_now()
    parser = argparse.ArgumentParser(
        prog=f"python -m components.stages.{name}", description=f"The stage {name} of dvc.yaml."
    )
    parser.add_argument("--recipe", help="whose instance to run, a name from params.yaml's recipes")
    recipe = parser.parse_args(argv).recipe
    root, signals = Path.cwd(), Signals().install()
    try:
        if not (root / "dvc.yaml").exists():
            raise ConfigError(
                f"{root} has no dvc.yaml, so it is not a workspace. Run stages from the folder of dvc.yaml."
            )
        full = address(name, recipe)
        with (
            hold(
                private(root, "locks") / f"{full}.lock",
                full,
                float(os.environ.get("DIPTYCH_LOCK_WAIT_S", _LOCK_WAIT_S)),
            ),
            (private(root, "logs") / f"{full}.log").open("w") as log,
        ):
            return _run(root, name, recipe, body, signals, log)
    except (DiptychError, OSError) as err:  # before the stage's own work began
        print(f"{name}: {explained(err) if isinstance(err, OSError) else err}", file=sys.stderr, flush=True)
        return 128 + signals.received if signals.received else 1
    finally:
        collect_no_more()


def _run(
    root: Path, name: str, recipe: str | None, body: Callable[[Stage], None], signals: Signals, log: TextIO
) -> int:
    """Run the body with the lock held; every way out of it ends in an outcome file."""
    full, began = address(name, recipe), time.monotonic()
    position, resumes = private(root, "outcome") / f"{full}.position", resume_base(root, name, recipe)
    code = _code_of(root, name)
    before = StageOutcome.read(root, name, recipe)
    if before is not None and before.untold:
        print(sentence(replace(before, position=read_position(position), resumes=has_something(resumes))), flush=True)
    outcome = StageOutcome(
        stage=name, recipe=recipe, state="running", pid=os.getpid(), started_ticks=processes.start_ticks(os.getpid()),
        run=os.environ.get("DIPTYCH_RUN"), at=datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip
    outcome.write(root)
    _of_code(root, name, code)
    shutil.rmtree(root / ".diptych" / "tmp" / full, ignore_errors=True)  # a killed run could not clean up
    progress = Teller(name, recipe, position, os.environ.get("DIPTYCH_EVENTS"), signals.check)
    stage = Stage(root=root, name=name, recipe=recipe, progress=signals.at_once(progress), signals=signals)
    err = _attempt(body, stage, log)
    if err is None:
        shutil.rmtree(resumes, ignore_errors=True)
    no_room = full_disk(err, root, full) if err is not None else None
    outcome = replace(
        _judged(outcome, err, signals, read_position(position), has_something(resumes), no_room),
        seconds=round(time.monotonic() - began, 3), cpu_seconds=_cpu_seconds(),
    )  # fmt: skip
    try:
        outcome.write(root)
    except OSError:
        if outcome.state == "ran":  # what nobody can know of was not done
            raise
    if outcome.state == "ran":
        _of_code(root, name, code)  # which DVC looks at when a stage has ended
        if code is not None:
            keep_code(root, full, code)
    else:
        unforeseen = outcome.state == "failed" and no_room is None and not isinstance(err, DiptychError)
        where = f" (traceback in {Path(log.name).relative_to(root)})" if unforeseen else ""
        print(f"{full}: {outcome.message}{where}", file=sys.stderr, flush=True)
    return outcome.exit_code or 0


def _code_of(root: Path, name: str) -> str | None:
    """Return of which code the stage runs, as its file in build/code has it: what is edited from now on is not what runs. None where nobody keeps that.

    A flow has written that file before it had this process started: what was edited in between, nobody can say whether it runs.
    """
    if not has_code(root):
        return None
    try:
        now = codes(root).get(name)
    except ConfigError:  # DVC's stage `code` says what is wrong
        return None
    file = root / FOLDER / name
    if now is None or "DIPTYCH_RUN" not in os.environ or not file.exists():
        return now
    return of_both(file.read_text(encoding="utf-8"), now)


def _of_code(root: Path, name: str, code: str | None) -> None:
    """Have build/code say of which code the stage runs."""
    if code is not None:
        with suppress(OSError):  # a full disk stops the stage itself, and its work is worth more than this
            put_code(root, name, code)


def _attempt(body: Callable[[Stage], None], stage: Stage, log: TextIO) -> BaseException | None:
    """Run the body, end what it leaves running, and return what it raised; a traceback goes to the log."""
    faulthandler.enable(log)  # a crash inside a C library leaves its stack too
    try:
        processes.adopt_children()
        _watch_ancestors(stage.signals)
        body(stage)
        stage.signals.check()
        return None
    except BaseException as err:  # SystemExit too: a body that calls sys.exit has not done its work
        with suppress(OSError):  # on a full disk the log has no room either, and the outcome matters more
            traceback.print_exc(file=log)
        return err
    finally:
        stage.signals.ignore()
        processes.end_descendants(grace_s=2.0)
        faulthandler.disable()


def _judged(
    outcome: StageOutcome,
    err: BaseException | None,
    signals: Signals,
    position: str | None,
    resumes: bool,
    no_room: str | None,
) -> StageOutcome:
    """Return the outcome with what `err` means: ran, failed (worth another try or not), or interrupted.

    `no_room` is what to say of a disk that was full.
    """
    if err is None:
        return replace(outcome, state="ran", exit_code=0, position=position)
    if signals.received is not None or isinstance(err, Interrupted):
        by = signals.received or SIGTERM
        where = f" at {position}" if position else " before its work began"
        then = "goes on from there" if resumes else "starts it again"
        message = f"stopped{where} by {by.name}{f' ({signals.reason})' if signals.reason else ''}; the next run {then}"
        return replace(
            outcome, state="interrupted", error=Interrupted.__name__, message=message, position=position,
            resumes=resumes, exit_code=128 + by, orphaned=signals.reason is not None,
            transient=by == SIGTERM and resumes and signals.reason is None,  # whoever still waits for us may go on
        )  # fmt: skip
    message = no_room or (explained(err) if isinstance(err, OSError) else str(err))
    if no_room is None and not isinstance(err, DiptychError | OSError):
        message = f"{type(err).__name__}: {err}"
    transient = is_transient(err)
    return replace(
        outcome, state="failed", error=type(err).__name__, message=message, transient=transient, position=position,
        resumes=resumes, exit_code=TRANSIENT_EXIT if transient else 1,
    )  # fmt: skip


def _watch_ancestors(signals: Signals) -> None:
    watched = ancestors.chain(os.environ)

    def gone(pid: int) -> None:
        # A shell between us and the owner may end first when all of us are told to stop: that is no news to the owner.
        if signals.received is None and processes.start_ticks(watched[-1]) is None:
            signals.reason = f"process {watched[-1]}, which had started it, is gone"
        ancestors.leave(_GRACE_S, last=lambda: processes.end_descendants(grace_s=0.0))

    ancestors.watch(watched, gone)


def _cpu_seconds() -> float:
    """Return what we and our ended children have used."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return round(sum(u.ru_utime + u.ru_stime for u in usage), 3)
