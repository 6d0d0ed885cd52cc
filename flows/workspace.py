"""A checkout as a place of work: one writer, the stages of dvc.yaml, and DVC asked what has to be done.

Whether a stage has work is asked in process (0.02 s); the work is `dvc repro --single-item` in a process group of its
own, so that a run here and a `dvc repro` in a shell share every byte.
"""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TextIO

import yaml

from components.contracts.errors import ConfigError
from components.stages.events import Event, read_position
from components.stages.lock import hold
from components.stages.outcome import StageOutcome, sentence
from components.stages.place import address, private
from components.stages.resume import has_something, resume_base
from flows.failure import failure
from flows.graph import stages_of, why_stale
from flows.processes import started
from flows.repair import keep_record, repair

Listener = Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What bringing a stage up to date took.

    Args:
        did: `cached` when nothing had changed, `restored` when DVC had the result of the same inputs, else `ran`.
    """

    stage: str
    did: Literal["cached", "ran", "restored"]
    seconds: float


class Workspace:
    """Made by `here`, which holds the lock that makes this the one writer.

    Args:
        root: the folder of dvc.yaml.
        recipe: a name from params.yaml's recipes.
        listener: hears every event of the stages.
    """

    def __init__(self, root: Path, recipe: str, listener: Listener) -> None:
        self.root = root
        self.recipe = recipe
        self.listener = listener
        self.run = uuid.uuid4().hex
        self.news: tuple[str, ...] = ()

    @classmethod
    @contextmanager
    def here(cls, recipe: str, root: Path | None = None, listener: Listener = print) -> Iterator["Workspace"]:
        """Hold the workspace while the block runs; `news` says what a killed run before had come to.

        Raises Busy, with the pid, when another run holds it, and ConfigError when `root` is no workspace or params.yaml
        does not list the recipe.
        """
        root = (root or Path.cwd()).resolve()
        workspace = cls(root, recipe, listener)
        workspace._check()
        with hold(private(root, "locks") / "workspace.lock", f"the workspace {root}"):
            repair(root)
            workspace.news = tuple(workspace._close_killed())
            yield workspace

    def stages(self) -> tuple[str, ...]:
        """Return the stages of dvc.yaml for this recipe, in order, by the names DVC uses."""
        return tuple(address(name, self.recipe if each else None) for name, each in stages_of(self.root).items())

    def address(self, stage: str) -> str:
        """Return DVC's name for a stage: `curate@clip` for `curate`; ConfigError when dvc.yaml has no such stage."""
        stages = stages_of(self.root)
        if stage not in stages:
            raise ConfigError(f"dvc.yaml has no stage {stage!r}. It has {', '.join(stages)}.")
        return address(stage, self.recipe if stages[stage] else None)

    @property
    def package(self) -> Path:
        """The folder of the recipe's model."""
        return self.root / "runs" / self.recipe / "package"

    def stale(self, stage: str) -> tuple[str, ...]:
        """Return why a stage has work to do, such as "data/raw changed"; empty when it has none."""
        return why_stale(self.root, self.address(stage))

    def repro(self, stage: str) -> Outcome:
        """Bring one stage up to date.

        Raises what the stage raised, by the class its outcome file names, so that a caller can tell what is worth
        another try. When this process is interrupted, the stage is stopped before this returns.
        """
        began, name = time.monotonic(), self.address(stage)
        if not self.stale(stage):
            return Outcome(stage=stage, did="cached", seconds=time.monotonic() - began)
        keep_record(self.root)
        attempt = f"{self.run}.{uuid.uuid4().hex[:8]}"
        events, log = private(self.root, "events") / f"{name}.jsonl", private(self.root, "logs") / f"dvc.{name}.log"
        events.write_bytes(b"")
        log.write_bytes(b"")
        environment = {
            "DIPTYCH_EVENTS": os.environ.get("DIPTYCH_EVENTS", str(events)),  # somebody else may want to listen
            "DIPTYCH_OWNER": str(os.getpid()), "DIPTYCH_RUN": attempt,
            "DIPTYCH_PYTHON": sys.executable,
        }  # fmt: skip
        command = [sys.executable, "-m", "dvc", "repro", "--single-item", name]
        with started(command, log, environment, self.root) as process:
            self._listen(process, events)
        outcome = self._outcome(stage)
        ran = outcome is not None and outcome.run == attempt
        if process.returncode != 0:
            raise failure(name, process.returncode, outcome if ran else None, log)
        return Outcome(stage=stage, did="ran" if ran else "restored", seconds=time.monotonic() - began)

    def _listen(self, process: subprocess.Popen[bytes], events: Path) -> None:
        """Hand each event on until the process has ended."""
        with events.open() as lines:
            ended = False
            while not ended:
                try:
                    process.wait(timeout=0.1)
                    ended = True
                except subprocess.TimeoutExpired:
                    pass
                for line in _whole_lines(lines):
                    self.listener(Event.parse(line))

    def _check(self) -> None:
        for name in ("dvc.yaml", "params.yaml", ".dvc/config"):
            if not (self.root / name).exists():
                raise ConfigError(f"{self.root} has no {name}, so it is not a workspace. Go to a checkout of diptych.")
        if subprocess.run(["git", "-C", self.root, "rev-parse"], capture_output=True).returncode:
            raise ConfigError(
                f"{self.root} is not a git repository, which DVC needs. Clone the project, or run: git init"
            )
        recipes = (yaml.safe_load((self.root / "params.yaml").read_text()) or {}).get("recipes", [])
        if self.recipe not in recipes:
            raise ConfigError(
                f"params.yaml lists the recipes {', '.join(map(str, recipes)) or '(none)'}, and {self.recipe!r} is not "
                f"among them, so dvc.yaml has no stages for it. Add it to recipes in params.yaml."
            )

    def _outcome(self, stage: str) -> StageOutcome | None:
        return StageOutcome.read(self.root, stage, self.recipe if stages_of(self.root)[stage] else None)

    def _close_killed(self) -> Iterator[str]:
        """Yield a sentence for each stage whose process was killed, and note that it was said."""
        for stage in stages_of(self.root):
            outcome = self._outcome(stage)
            if outcome is not None and outcome.state == "running" and not outcome.lives:
                base = resume_base(self.root, stage, outcome.recipe)
                position = read_position(self.root / ".diptych" / "outcome" / f"{outcome.address}.position")
                outcome = replace(outcome, state="killed", position=position, resumes=has_something(base))
                outcome.write(self.root)
                yield sentence(outcome)


def _whole_lines(lines: TextIO) -> Iterator[str]:
    """Yield what is complete, and leave a line that is still being written for later."""
    while True:
        start = lines.tell()
        line = lines.readline()
        if not line.endswith("\n"):
            lines.seek(start)
            return
        yield line
