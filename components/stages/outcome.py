"""How a stage's run went, left in a file: an exit code does not survive DVC (75 arrives as 255), a file does."""

import errno
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from components.stages.place import address, private
from components.stages.processes import start_ticks

State = Literal["running", "ran", "failed", "interrupted", "killed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOutcome:
    """One run of one stage.

    Args:
        state: `killed` is what the next run makes of one that nobody was told of.
        pid: the stage's process.
        started_ticks: when that process started, which tells it from a later one of the same pid.
        run: the id that whoever started it gave (DIPTYCH_RUN), so that an old file is not taken for a new one.
        at: UTC, ISO 8601, when the stage began.
        error: the class of what went wrong.
        transient: whether trying again, with nothing changed, may help.
        position: where it stood, such as "step 40 of 120".
        resumes: whether what it had done is kept, so that the next run goes on from there.
        orphaned: whether it stopped because who had started it was killed, so that nobody has heard of it.
    """

    stage: str
    recipe: str | None
    state: State
    pid: int
    started_ticks: int | None
    run: str | None
    at: str
    error: str | None = None
    message: str | None = None
    transient: bool = False
    exit_code: int | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None
    position: str | None = None
    resumes: bool = False
    orphaned: bool = False

    @property
    def untold(self) -> bool:
        """Whether the run was killed, or its owner was, and nobody has been told yet."""
        return self.orphaned if self.state == "interrupted" else self.state == "running" and not self.lives

    @property
    def address(self) -> str:
        """The name DVC uses, `pretrain@clip`."""
        return address(self.stage, self.recipe)

    @property
    def lives(self) -> bool:
        """Whether the process that wrote `running` is still there."""
        return self.state == "running" and start_ticks(self.pid) == self.started_ticks is not None

    def write(self, root: Path) -> None:
        """Leave it in .diptych/outcome, whole or not at all; on a full disk in the place of the one before, where that has a block of its own.

        Raises OSError where there is no room for it: what was known before is known then, or nothing.
        """
        path, text = private(root, "outcome") / f"{self.address}.json", json.dumps(asdict(self), indent=2) + "\n"
        half = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            half.write_text(text)
            half.replace(path)
        except OSError as err:
            half.unlink(missing_ok=True)
            if err.errno not in (errno.ENOSPC, errno.EDQUOT) or not path.exists():
                raise
            with path.open("r+b", buffering=0) as file:
                data = text.encode()
                if file.write(data) < len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from err
                file.truncate()

    @classmethod
    def read(cls, root: Path, stage: str, recipe: str | None) -> "StageOutcome | None":
        """Return the last run of a stage in this workspace; None when there was none, or another version wrote it."""
        try:
            return cls(**json.loads((root / ".diptych" / "outcome" / f"{address(stage, recipe)}.json").read_text()))
        except (FileNotFoundError, TypeError, ValueError):
            return None


def sentence(outcome: StageOutcome) -> str:
    """Say where a killed run stands, and what the next one does about it."""
    where = f" at {outcome.position}" if outcome.position else " before its work began"
    then = "goes on from there" if outcome.resumes else f"starts {outcome.stage} again"
    return f"the last run was killed in {outcome.address}{where}; this one {then}"
