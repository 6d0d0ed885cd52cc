"""How the servers of a workspace are, as their supervisor says, and what a command needs to know to use them."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.contracts.errors import DiptychError
from components.serving.process import ProcessId
from flows.stack.place import Place, record_file

UNSAID_S = 600.0  # of a supervisor of before, which does not say in what time all end


@dataclass(frozen=True, slots=True, kw_only=True)
class One:
    """One server, as of `Kept.as_json`."""

    name: str
    what: str
    address: str
    state: str
    why: str
    since: str
    pid: int | None
    starts: int
    log: str
    metrics: str
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All of them.

    Args:
        process: the supervisor.
        data: where they keep what they have.
        without: what was left out.
        services: in the order in which they start.
        metrics: where the supervisor answers Prometheus; empty where it does not.
        ends_within_s: what all of them may take to end, in seconds.
        settings: of SETTINGS, what the shell that started them said.
    """

    process: ProcessId
    data: Path
    without: tuple[str, ...]
    services: tuple[One, ...]
    metrics: str = ""
    ends_within_s: float = UNSAID_S
    settings: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> list[dict[str, Any]]:
        """Return a row for each."""
        return [{name: getattr(one, name) for name in One.__slots__} for one in self.services]


def read_seen(root: Path) -> Seen | None:
    """Return how the servers are; None where nobody keeps any."""
    seen = _read(root)
    return seen if seen and seen.process.is_alive() else None


def read_lost(root: Path) -> Seen | None:
    """Return how the servers were last whose supervisor is gone, whoever ended it; None where they run, or none ever did."""
    seen = _read(root)
    return None if seen is None or seen.process.is_alive() else seen


def keep_settings(seen: Seen) -> None:
    """Have servers that this process starts know what the shell said that those were started from, but for what is said here."""
    os.environ |= {name: value for name, value in seen.settings.items() if name not in os.environ}


def _read(root: Path) -> Seen | None:
    try:
        said = json.loads(record_file(root).read_text(encoding="utf-8"))
        return Seen(
            process=ProcessId(**said["process"]), data=Path(said["data"]), without=tuple(said["without"]), services=tuple(One(**one) for one in said["services"]),
            metrics=said.get("metrics", ""), ends_within_s=float(said.get("ends_within_s", UNSAID_S)), settings=dict(said.get("settings", {})),
        )  # fmt: skip
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None


_PAGES = {"PREFECT_UI_URL": "PREFECT", "DIPTYCH_MLFLOW_PAGE": "MLFLOW"}  # as people open them
_LOGIN = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


def use(root: Path) -> Mapping[str, str]:
    """Have this process and its children use the servers of a workspace where they run, and link to them by the names that people have for them; return what was set.

    What somebody has set already stays: who names a server of his own is sent nowhere else, and who is a user of MLflow's here, as workers are, is no other.
    """
    seen = read_seen(root)
    if seen is None:
        return {}
    try:
        wanted = Place.read(root).environment()
    except (DiptychError, OSError, KeyError) as err:
        print(f"diptych: the servers that run here are not used: {err}", file=sys.stderr)
        return {}
    theirs = [
        name
        for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI")
        if os.environ.get(name, wanted[name]) != wanted[name]
    ]
    families = [name.partition("_")[0] for name in theirs]
    chosen = {name: value for name, value in wanted.items() if name.partition("_")[0] not in families}
    if {"MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME"} <= {*os.environ}:
        chosen = {name: value for name, value in chosen.items() if name not in _LOGIN}
    for name, family in _PAGES.items():
        if name in seen.settings and name not in os.environ and family not in families:
            chosen[name] = seen.settings[name]
    os.environ |= chosen
    return chosen


def as_lines(seen: Seen) -> list[str]:
    """Return a line for each server."""
    width = max(len(one.name) for one in seen.services)
    return [
        f"{one.name:<{width}}  {one.state:<6}  {one.address:<28}  {f'{one.what} {one.version}'.strip()}{f', started {one.starts} times' if one.starts > 1 else ''}"
        f"{f' ({one.why})' if one.why else ''}"
        for one in seen.services
    ]
