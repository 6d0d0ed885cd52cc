"""One server: what starts it, what it needs before, how it is asked whether it is well."""

import signal
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

ANSWERS_WITHIN_S = 5.0
LOOKS_WITHIN_S = 60.0


def nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A server that the supervisor keeps.

    Args:
        name: such as postgres.
        what: such as PostgreSQL.
        address: where people find it.
        command: what is run.
        fault: says why it does not answer as it should; None where it does.
        environment: of the process, beside ours.
        folder: that it runs in.
        after: names of those that have to be well before it starts.
        prepare: is called before each start, and changes nothing that is as it should be.
        set_up: is called each time it has become well, before those that need it start; the same holds.
        ours: whether it is a client of the others, which runs as whoever started all of them would run it.
        ends_by: the signal that ends it in order.
        busy_s: what a look, or `prepare` or `set_up`, may take at most; that it shall end is heard of after it.
        metrics: where it answers Prometheus; empty where it does not.
        version: of its program.
    """

    name: str
    what: str
    address: str
    command: tuple[str, ...]
    fault: Callable[[], str | None]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    prepare: Callable[[], None] = nothing
    set_up: Callable[[], None] = nothing
    ours: bool = False
    ends_by: signal.Signals = signal.SIGTERM
    busy_s: float = LOOKS_WITHIN_S
    metrics: str = ""
    version: str = ""


def answers(url: str) -> Callable[[], str | None]:
    """Return what says why a URL is not answered with 200."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy knows nothing of our loopback

    def fault() -> str | None:
        try:
            with opener.open(url, timeout=ANSWERS_WITHIN_S):
                return None
        except (urllib.error.URLError, OSError, HTTPException) as err:
            return f"{url} does not answer: {err}"

    return fault
