"""A checkout as a place of work: one writer, the stages of dvc.yaml, and DVC asked what has to be done.

Whether a stage has work is asked in process (0.02 s); the work is `dvc repro --single-item` in a process group of its
own, so that a run here and a `dvc repro` in a shell share every byte.
"""

import os
import re
import shlex
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TextIO

from components.contracts.errors import Busy, CapabilityError, ConfigError, DataError, Preempted
from components.recipes.check import check_files
from components.recipes.params import load_params
from components.recipes.starts import chain
from components.stages.events import Event, read_position
from components.stages.lock import hold
from components.stages.outcome import StageOutcome, sentence
from components.stages.place import address, private
from components.stages.resume import has_something, resume_base
from flows.audience import AUDIENCE, step
from flows.failure import failure
from flows.graph import bring_code, outputs_of, stages_of, why_stale
from flows.processes import started
from flows.repair import keep_record, repair
from flows.shared import READ_AFTERWARDS, Shared

Did = Literal["cached", "ran", "restored"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What bringing a stage up to date took.

    Args:
        did: `cached` when nothing had changed, `restored` when DVC had the result of the same inputs, else `ran`.
    """

    stage: str
    did: Did
    seconds: float


class Workspace:
    """Made by `here`, which holds the lock that makes this the one writer.

    Args:
        root: the folder of dvc.yaml.
        recipe: a name from params.yaml's recipes.
    """

    def __init__(self, root: Path, recipe: str) -> None:
        self.root = root
        self.recipe = recipe
        self.news: tuple[str, ...] = ()

    @classmethod
    @contextmanager
    def here(cls, recipe: str, root: Path | None = None, wait_s: float = 0.0) -> Iterator["Workspace"]:
        """Hold the workspace while the block runs; `news` says what a killed run before had come to, the audience too.

        Args:
            recipe: a name from params.yaml's recipes.
            root: the folder of dvc.yaml; where we stand unless given.
            wait_s: seconds to wait for another run that holds it, of which the audience is told.

        Raises Busy, with the pid, when another run holds it still, and ConfigError when `root` is no workspace or params.yaml
        does not list the recipe.
        """
        root = (root or Path.cwd()).resolve()
        workspace = cls(root, recipe)
        workspace._check()
        with workspace._held(wait_s):
            repair(root)
            workspace.news = tuple(workspace._close_killed())
            for sentence in workspace.news:
                AUDIENCE.get().told(sentence)
            yield workspace

    def stages(self, until: str | None = None) -> tuple[str, ...]:
        """Return the stages of dvc.yaml in order; those up to and with `until`, where it is given."""
        if until is not None:
            self.address(until)
        names = tuple(stages_of(self.root))
        return names if until is None else names[: names.index(until) + 1]

    def work(self, until: str | None = None) -> tuple[tuple["Workspace", str], ...]:
        """Return every stage that must be up to date, each with the workspace of its recipe, in order.

        These are `stages`, before which come those that make what the recipe begins from, each once.
        """
        recipes = load_params(self.root).recipes
        before = [(Workspace(self.root, other), last) for other, last in chain(recipes, self.recipe)]
        found: dict[str, tuple[Workspace, str]] = {}
        for workspace, last in [*reversed(before), (self, until)]:
            for stage in workspace.stages(last):
                found.setdefault(workspace.address(stage), (workspace, stage))
        return tuple(found.values())

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

    def stale(self, *stages: str) -> dict[str, tuple[str, ...]]:
        """Return the stages with work to do, and why, such as "data/raw: modified"; of all, unless some are named."""
        names = {self.address(stage): stage for stage in stages or self.stages()}
        return {names[full]: why for full, why in why_stale(self.root, list(names)).items() if why}

    def repro(self, stage: str) -> Outcome:
        """Bring one stage up to date.

        Raises what the stage raised, by the class its outcome file names, so that a caller can tell what is worth
        another try. A stage that was told to go, but not by us, and has kept more than the time before, is run again
        without end: spot machines are taken back as often as it pleases their owner. When this process is interrupted,
        the stage is stopped before this returns.
        """
        began, name = time.monotonic(), self.address(stage)
        with step(name) as how:
            did = self._brought(stage, name)
            how.append(did)
        return Outcome(stage=stage, did=did, seconds=time.monotonic() - began)

    def _brought(self, stage: str, name: str) -> Did:
        """Bring a stage up to date; where workspaces share a remote it is done once that has what came of it, whoever did it."""
        shared = Shared.of(self.root)
        if shared is None:
            return self._run_on(stage, name) if self.stale(stage) else "cached"
        shared.take([its.address(one) for its, one in self.work(stage)])
        did: Did = "cached"
        if self.stale(stage):
            if not shared.has(name):
                shared.bring_inputs(name)
                did = self._run_on(stage, name)
            elif stage in READ_AFTERWARDS or any(
                (self.root / out).exists() for out in outputs_of(self.root, stage, self.recipe)
            ):
                try:
                    shared.bring(name)
                    did = "restored"
                except DataError as err:  # the remote's files are gone or damaged, and we can make them
                    AUDIENCE.get().told(f"{name} is made anew: {err}")
                    shared.bring_inputs(name)
                    did = self._run_on(stage, name)
                    shared.hand_on(name, anew=True)
        shared.hand_on(name)
        return did

    def is_whole(self, stage: str) -> bool:
        """Return whether a stage has no work to do, here or, where workspaces share a remote, for whoever looks there."""
        if not self.stale(stage):
            return True
        if (shared := Shared.of(self.root)) is None:
            return False
        shared.take([its.address(one) for its, one in self.work(stage)])
        return shared.has(self.address(stage))

    def bring_records(self) -> None:
        """Where workspaces share a remote, fetch the little that registry and pages read of stages which another one did: curves, reports, the source."""
        if (shared := Shared.of(self.root)) is not None:
            runs = [
                f"runs/{self.recipe}/{stage}/{name}"
                for stage in ("pretrain", "finetune")
                for name in ("curves.csv", "metrics.json")
            ]
            shared.bring_known(*runs, "data/validated/report.html", "data/raw/source.json")

    def _run_on(self, stage: str, name: str) -> Did:
        """Run a stage, and again each time it was preempted at another place than before."""
        stood: str | None = None
        while True:
            try:
                return self._run(stage, name)
            except Preempted as err:
                outcome = self._outcome(stage)
                if outcome is None or outcome.position in (None, stood):
                    raise
                stood = outcome.position
                AUDIENCE.get().told(f"{err}; running it again")

    def _run(self, stage: str, name: str) -> Did:
        """Let DVC bring a stage up to date, which runs it unless its run cache has the result."""
        keep_record(self.root)
        run = uuid.uuid4().hex
        events, log = private(self.root, "events") / f"{name}.jsonl", private(self.root, "logs") / f"dvc.{name}.log"
        events.write_bytes(b"")
        log.write_bytes(b"")
        environment = {
            "DIPTYCH_EVENTS": os.environ.get("DIPTYCH_EVENTS", str(events)),  # somebody else may want to listen
            "DIPTYCH_OWNER": str(os.getpid()), "DIPTYCH_RUN": run, "DIPTYCH_PYTHON": sys.executable,
        }  # fmt: skip
        command = [sys.executable, "-m", "dvc", "repro", "--single-item", *bring_code(self.root), name]
        with started(command, log, environment, self.root) as process:
            self._listen(process, events)
        outcome = self._outcome(stage)
        ran = outcome is not None and outcome.run == run
        if process.returncode != 0:
            raise failure(name, process.returncode, outcome if ran else None, log)
        return "ran" if ran else "restored"

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
                    AUDIENCE.get().heard(Event.parse(line))

    @contextmanager
    def _held(self, wait_s: float) -> Iterator[None]:
        """Be the one writer while the block runs."""
        lock, what = private(self.root, "locks") / "workspace.lock", f"the workspace {self.root}"
        with ExitStack() as stack:
            try:
                stack.enter_context(hold(lock, what))
            except Busy as err:
                if not wait_s:
                    raise
                AUDIENCE.get().told(f"this run waits, {wait_s / 3600:.0f} h at most: {err}")
                stack.enter_context(hold(lock, what, wait_s))
            yield

    def _check(self) -> None:
        for name in ("dvc.yaml", "params.yaml", ".dvc/config"):
            if not (self.root / name).exists():
                raise ConfigError(f"{self.root} has no {name}, so it is not a workspace. Go to a checkout of diptych.")
        try:
            said = subprocess.run(
                ["git", "-C", str(self.root), "rev-parse"],
                capture_output=True,
                text=True,
                env={**os.environ, "LC_ALL": "C"},
            )
        except FileNotFoundError as err:
            raise CapabilityError(
                "there is no git on this machine (none on PATH), and data and code are versioned with it. Install it "
                "(Debian: apt-get install git) and run again."
            ) from err
        if said.returncode != 0:
            raise ConfigError(_no_repository(self.root, said.stderr))
        asked = ["git", "-C", str(self.root), "check-ignore", "--verbose", "--no-index", "dvc.lock"]  # as DVC asks
        by = subprocess.run(asked, capture_output=True, text=True).stdout.partition("\t")[0]
        if by and not by.rpartition(":")[2].startswith("!"):  # which says that it is not
            raise ConfigError(
                f"git ignores dvc.lock in {self.root} (by file, line and pattern {by}), and DVC writes nothing down in a file that is "
                "ignored: it would refuse when a stage has ended, and its work would be lost. Take that line away."
            )
        recipes = check_files(self.root, self.recipe).recipes
        if self.recipe not in recipes:
            raise ConfigError(
                f"params.yaml lists the recipes {', '.join(recipes)}, and {self.recipe!r} is not among them, so dvc.yaml "
                f"has no stages for it. Add it to recipes in params.yaml, or run: diptych run --recipe {self.recipe}"
            )

    def _outcome(self, stage: str) -> StageOutcome | None:
        return StageOutcome.read(self.root, stage, self.recipe if stages_of(self.root)[stage] else None)

    def _close_killed(self) -> Iterator[str]:
        """Yield a sentence for each stage that was killed, or whose run was, and note that it was said."""
        for stage in stages_of(self.root):
            outcome = self._outcome(stage)
            if outcome is not None and outcome.untold:
                base = resume_base(self.root, stage, outcome.recipe)
                position = read_position(self.root / ".diptych" / "outcome" / f"{outcome.address}.position")
                outcome = replace(outcome, state="killed", position=position, resumes=has_something(base))
                outcome.write(self.root)
                yield sentence(outcome)


def _no_repository(root: Path, said: str) -> str:
    """Return what to do where git finds no repository that it would read.

    Args:
        said: by git, in English.
    """
    if "not a git repository" in said:
        return f"{root} is not a git repository, which DVC needs. Clone the project, or run: git init"
    says = next(iter(said.strip().splitlines()), "nothing").removeprefix("fatal: ")
    if "dubious ownership" not in said:
        return f"git does not read the repository of {root}, which DVC needs. It says: {says}"
    where = re.search(r"repository at '(.+)'", says)
    return (
        f"git does not read the repository of {root}, which DVC needs, since it belongs to another user, whose settings could run commands as you. It says: {says}. "
        f"Where you trust it: {shlex.join(['git', 'config', '--global', '--add', 'safe.directory', where.group(1) if where else str(root)])}"
    )


def _whole_lines(lines: TextIO) -> Iterator[str]:
    """Yield what is complete, and leave a line that is still being written for later."""
    while True:
        start = lines.tell()
        line = lines.readline()
        if not line.endswith("\n"):
            lines.seek(start)
            return
        yield line
