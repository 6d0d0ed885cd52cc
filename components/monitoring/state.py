"""What a monitor remembers from one look to the next: what was counted, where the log ended, what was deployed when, what was asked for when."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from components.contracts.errors import StaleArtifact
from components.monitoring.budgets import Counts
from components.monitoring.deaths import Place

FILE = "state.json"
DEPLOYS = 20  # that are remembered, those that were served last


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The memory.

    Args:
        counts: of the gateway, at the last look.
        of_version: label of what was served then -> counts of the questions to it.
        log: where its log was read to.
        deployed: digest of a package -> when it was first seen to be served; that which was seen last is the last.
        asked: action -> when it was last asked for.
    """

    counts: Counts | None = None
    of_version: Mapping[str, Counts] = field(default_factory=dict)
    log: Place | None = None
    deployed: Mapping[str, datetime] = field(default_factory=dict)
    asked: Mapping[str, datetime] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> "State":
        """Return what `write` wrote, nothing at first; StaleArtifact where it cannot be read, since cool-downs must not be forgotten in silence."""
        path = folder / FILE
        try:
            said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                counts=Counts.from_json(said["counts"]) if said["counts"] else None,
                of_version={label: Counts.from_json(its) for label, its in said.get("of_version", {}).items()},
                log=Place(**said["log"]) if said["log"] else None,
                deployed={digest: datetime.fromisoformat(at) for digest, at in said["deployed"].items()},
                asked={action: datetime.fromisoformat(at) for action, at in said["asked"].items()},
            )
        except FileNotFoundError:
            return cls()
        except (ValueError, KeyError, TypeError, AttributeError) as err:
            raise StaleArtifact(
                f"{path} cannot be read ({type(err).__name__}: {err}), so it is unknown when which action was asked for last. Delete it, and "
                "all cool-downs are over."
            ) from err

    def write(self, folder: Path) -> None:
        """Write it so that a reader sees the old one or the new one."""
        seen_last = list(self.deployed.items())[-DEPLOYS:]
        said = {
            "counts": self.counts.as_json() if self.counts else None,
            "of_version": {label: its.as_json() for label, its in self.of_version.items()},
            "log": {"inode": self.log.inode, "offset": self.log.offset} if self.log else None,
            "deployed": {digest: at.isoformat() for digest, at in seen_last},
            "asked": {action: at.isoformat() for action, at in self.asked.items()},
        }
        partial = folder / f".{FILE}.{os.getpid()}"
        with partial.open("w", encoding="utf-8") as file:
            file.write(json.dumps(said, indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(folder / FILE)

    def may_ask(self, action: str, now: datetime, cool_down_h: float) -> bool:
        """Return whether an action was not asked for too short a time ago."""
        last = self.asked.get(action)
        return last is None or now - last >= timedelta(hours=cool_down_h)

    def having_asked(self, action: str, now: datetime) -> "State":
        """Return the memory of having asked now."""
        return replace(self, asked={**self.asked, action: now})

    def having_seen(self, digest: str, started: datetime) -> "State":
        """Return the memory of what is served; a server that was only started again was deployed when it was first seen."""
        others = {other: at for other, at in self.deployed.items() if other != digest}
        return replace(self, deployed={**others, digest: self.deployed.get(digest, started)})
