"""Which servers of a workspace get requests, and what share: the one that was handed over, and those that stand beside it.

`.diptych/served/routes.json` names those beside, for a canary or a comparison; where it is missing, all goes to the one.
"""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.contracts.errors import StaleArtifact
from components.serving.endpoint import Endpoint, read_endpoint, served_folder

FILE = "routes.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A server beside the one that was handed over.

    Args:
        endpoint: of it.
        share: of requests, 0 to 1, that it answers; 0 where only those who ask for it by name get it.
        shadow: whether it is asked what the others are, its answers being compared and thrown away.
        until: seconds since 1970 until when it stands there: a canary's lease, which whoever watches it renews; None: until it is ended.
    """

    endpoint: Endpoint
    share: float = 0.0
    shadow: bool = False
    until: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share is {self.share}, but requests are shared out by numbers from 0 to 1.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """Args:
    main: the server that was handed over; None where nothing is served.
    beside: others, by the order in which they were set up.
    """

    main: Endpoint | None
    beside: tuple[Beside, ...] = ()

    def over(self) -> tuple["Beside", ...]:
        """Return those whose lease has ended, since nobody watches them any more."""
        return tuple(one for one in self.beside if one.until is not None and one.until < time.time())

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return all of them, the main one first."""
        return (*((self.main,) if self.main else ()), *(one.endpoint for one in self.beside))


def read_routes(root: Path) -> Routes:
    """Return where requests go now; StaleArtifact where a record cannot be read."""
    main, path = read_endpoint(root), served_folder(root) / FILE
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        beside = tuple(_beside(one) for one in listed["beside"])
    except FileNotFoundError:
        beside = ()
    except (ValueError, KeyError, TypeError) as err:
        raise StaleArtifact(
            f"{path} cannot be read ({type(err).__name__}: {err}), so it is unknown which versions get requests. Delete it, and all go "
            "to the champion."
        ) from err
    known = {main.instance} if main else set()
    return Routes(main=main, beside=tuple(one for one in beside if one.endpoint.instance not in known))


def _beside(one: dict[str, Any]) -> Beside:
    """Return a server of the record; ValueError, KeyError or TypeError where what is said of it is none."""
    share, shadow, until = one["share"], one["shadow"], one.get("until")
    if not _is_number(share):
        raise TypeError(f"share is {share!r}, and must be a number from 0 to 1")
    if not isinstance(shadow, bool):
        raise TypeError(f"shadow is {shadow!r}, and must be true or false")
    if not (until is None or _is_number(until)):
        raise TypeError(f"until is {until!r}, and must be null or seconds since 1970")
    return Beside(
        endpoint=Endpoint.from_json(json.dumps(one["endpoint"])), share=float(share), shadow=shadow, until=until
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def write_beside(root: Path, beside: Sequence[Beside]) -> None:
    """Say which servers stand beside the main one, so that a reader sees the old list or the new one; none take the file away."""
    path = served_folder(root) / FILE
    if not beside:
        path.unlink(missing_ok=True)
        return
    listed = [
        {"endpoint": json.loads(one.endpoint.to_json()), "share": one.share, "shadow": one.shadow, "until": one.until}
        for one in beside
    ]
    partial = path.with_name(f"{FILE}.{os.getpid()}")
    partial.write_text(json.dumps({"beside": listed}, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)
