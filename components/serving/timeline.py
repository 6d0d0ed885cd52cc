"""What a deploy did, and when: written as it happens to `.diptych/served/deploy.json`, so that a killed one can be told of too."""

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from components.serving.endpoint import served_folder

Outcome = Literal["under way", "served", "failed", "rolled back"]
FILE = "deploy.json"


@dataclass(slots=True, kw_only=True)
class Timeline:
    """One deploy, or one way back.

    Args:
        label: the version that is to be served.
        before: the one that was; empty where none was.
        began: ISO 8601, UTC.
        outcome: what became of it.
        why: one sentence, where it failed or was rolled back.
        back: whether it is the way back.
        own_fault: whether it failed by the fault of the version, so that the alias is not its own any more.
        recorded: whether the registry knows.
        steps: name, what was found, when, and seconds since it began, of each step that ended.
        pid: of who does it.
        doing: how far the step under way is, where it can tell; empty elsewhere.
        slow: how many times in a row the version's server did not answer in its time.
    """

    label: str
    before: str = ""
    began: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    outcome: Outcome = "under way"
    why: str = ""
    back: bool = False
    own_fault: bool = False
    recorded: bool = False
    steps: list[dict[str, Any]] = field(default_factory=list)
    pid: int = field(default_factory=os.getpid)
    doing: str = ""
    slow: int = 0

    def step(self, root: Path, name: str, says: str) -> None:
        """Write down that a step has ended."""
        now = datetime.now(UTC)
        since = (now - datetime.fromisoformat(self.began)).total_seconds()
        at = now.isoformat(timespec="milliseconds")
        self.steps.append({"step": name, "says": says, "at": at, "seconds": round(since, 3)})
        self.doing = ""
        self.write(root)

    def goes_on(self, root: Path, doing: str) -> None:
        """Write down how far the step under way is."""
        self.doing = doing
        self.write(root)

    def ended(self, root: Path, outcome: Outcome, why: str = "") -> None:
        """Write down how it ended."""
        self.outcome, self.why = outcome, why
        self.step(root, outcome, why or self.label)

    def write(self, root: Path) -> None:
        """Write it so that a reader sees the old one or the new one."""
        path = served_folder(root) / FILE
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = path.with_name(f"{FILE}.{os.getpid()}")
        partial.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        partial.replace(path)

    def as_json(self) -> dict[str, Any]:
        """Return it for a file or the registry."""
        return asdict(self)


def read_timeline(root: Path) -> Timeline | None:
    """Return the last deploy of a workspace; None where there was none, or nobody can read it."""
    try:
        return Timeline(**json.loads((served_folder(root) / FILE).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None
