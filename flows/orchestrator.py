"""A Prefect server for one run, where the user has none: it dies with us, even by KILL, unlike the one Prefect starts.

The first flow of a process waits 10 to 14 s for it, so it is started before prefect is imported, which takes 3 s too.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from components.stages.place import private
from flows.audience import step
from flows.loopback import HOST, bound, wait_for
from flows.pages import Pages
from flows.processes import started
from flows.ui import leaning_on

START_UP_S = 120  # Prefect's own 20 s fail on a busy machine
_SERVER = "prefect.server.api.server:create_app"
# Nobody looks at a server that lives for one run, and what it would schedule nobody would pick up.
_SERVER_ENVIRONMENT = {
    "PREFECT_UI_ENABLED": "false",
    "PREFECT__SERVER_EPHEMERAL": "true",
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
}


@contextmanager
def prefect_server(root: Path) -> Iterator[None]:
    """Make sure that flows of this process find a server while the block runs; the user's own, where there is one.

    Else the one of `diptych ui`, where it is up in this workspace, else one for this run alone; both keep runs in one
    store. A server is the user's when PREFECT_API_URL is set, or PREFECT_HOME, whose profile may name one. Call it before
    prefect is imported, since that is when it reads its settings.
    """
    if "PREFECT_API_URL" in os.environ or "PREFECT_HOME" in os.environ:
        with _logging_to(private(root, "logs") / "prefect.log"):
            yield
        return
    os.environ["PREFECT_HOME"] = str(private(root, "prefect"))
    try:
        with (
            leaning_on(root) as pages,
            _started(root) if pages is None else _found(pages),
            _logging_to(private(root, "logs") / "prefect.log"),
        ):
            yield
    finally:
        os.environ.pop("PREFECT_API_URL", None)
        del os.environ["PREFECT_HOME"]


@contextmanager
def _found(pages: Pages) -> Iterator[None]:
    """Report to the server whose page somebody looks at."""
    os.environ["PREFECT_API_URL"] = f"{pages.prefect}/api"
    with step("prefect") as how:
        import prefect.main  # noqa: F401  # it sets logging up

        how.append(f"live at {pages.prefect}/runs")
    yield


@contextmanager
def _started(root: Path) -> Iterator[None]:
    """Start a server for this run, on a port that is its own from the beginning: it takes seconds until it listens."""
    log = private(root, "logs") / "prefect-server.log"
    log.write_bytes(b"")
    with ExitStack() as left:
        with bound() as its:
            port = its.getsockname()[1]
            command = [sys.executable, "-m", "uvicorn", "--factory", _SERVER, "--fd", str(its.fileno())]
            command += ["--log-level", "error", "--lifespan", "on"]
            server = left.enter_context(started(command, log, _SERVER_ENVIRONMENT, root, [its.fileno()]))
        os.environ["PREFECT_API_URL"] = f"http://{HOST}:{port}/api"
        with step("prefect") as how:
            import prefect.main  # noqa: F401  # while the server starts; it sets logging up

            wait_for(f"http://{HOST}:{port}/api/health", server, log, "the Prefect server", START_UP_S)
            how.append("started for this run")
        yield


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Send what Prefect would print to a file while the block runs: the audience shows the run, errors are raised."""
    import prefect.main  # noqa: F401  # it sets logging up, and what it sets up later would print
    from prefect.logging.handlers import PrefectConsoleHandler
    from rich.console import Console

    loggers = [logging.root, *(logging.getLogger(name) for name in tuple(logging.root.manager.loggerDict))]
    handlers = {h for logger in loggers for h in logger.handlers if isinstance(h, PrefectConsoleHandler)}
    before = {handler: handler.console for handler in handlers}
    with path.open("w") as log:
        for handler in handlers:
            handler.console = Console(file=log, width=200)
        try:
            yield
        finally:
            _drain()
            for handler, console in before.items():
                handler.console = console


def _drain() -> None:
    """Let Prefect send what it has queued; left to its exit hooks, it would look for a server that is gone."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (EventsWorker, APILogWorker):
        worker.drain_all(timeout=5)
