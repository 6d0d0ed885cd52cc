"""From what a stage left behind to the error it ended with."""

import re
from pathlib import Path

from components.contracts import errors
from components.contracts.errors import Busy, DiptychError
from components.stages.outcome import StageOutcome

_RAISED = re.compile(r"\w*(Error|Exception): ")


def failure(name: str, code: int, outcome: StageOutcome | None, log: Path) -> Exception:
    """Return the error that the stage, or DVC itself, ended with; the logs are its notes, for whoever prints all of it."""
    error = _failure(name, code, outcome, log)
    for kept in (log, log.with_name(f"{name}.log")):
        if kept.exists() and (said := kept.read_text(errors="replace").strip()):
            error.add_note(f"--- {kept}\n{said}")
    return error


def _failure(name: str, code: int, outcome: StageOutcome | None, log: Path) -> Exception:
    shown = log.relative_to(log.parents[2])
    if outcome is None:
        lines = log.read_text(errors="replace").splitlines()
        said = [line for line in lines if line.startswith("ERROR:")]
        reason = said[-1].removeprefix("ERROR: ") if said else f"exit code {code}"
        if raised := [line for line in lines if _RAISED.match(line)]:  # the stage died before its frame stood
            reason = f"{raised[-1]}; {reason}"
        kind = Busy if "busy" in reason or "Unable to acquire lock" in reason else DiptychError
        return kind(f"DVC could not bring {name} up to date: {reason} (log in {shown})")
    if outcome.state == "running" and outcome.lives:
        return Busy(f"{name} is being worked on by process {outcome.pid}. Wait until it has ended.")
    if outcome.state == "running":
        return DiptychError(
            f"{name} was killed, most often because memory ran out. Run again: it goes on from what is "
            f"whole (log in {shown})"
        )
    message = f"{name}: {outcome.message}" + ("" if outcome.state == "interrupted" else f" (log in {shown})")
    if outcome.transient:
        return errors.Preempted(message) if outcome.state == "interrupted" else errors.TransientError(message)
    kind = getattr(errors, outcome.error or "", DiptychError)
    return kind(message) if isinstance(kind, type) and issubclass(kind, DiptychError) else DiptychError(message)
