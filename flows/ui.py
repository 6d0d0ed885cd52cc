"""The pages of Prefect and MLflow on the stores of a workspace, until Ctrl-C: what ran, and what it came to.

Both are children that die with us. A run that begins meanwhile reports to the same Prefect server, so it is let finish
before the pages go. Beside MLflow's page a watcher looks at its store, so that a champion set on the page is served.
"""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, nullcontext
from pathlib import Path

from components.contracts.errors import Busy, ConfigError, DiptychError
from components.registry.store import store_uri
from components.serving.process import ProcessId
from components.stages.lock import hold
from components.stages.place import private
from flows.claims import Claims
from flows.loopback import HOST, checked_port, free_port, wait_for
from flows.page_apps import ARTIFACTS, LEASES, STORE, kept_for
from flows.pages import Page, Pages, keep_port, own_mlflow, own_prefect, port_of
from flows.processes import started

START_UP_S = 180.0  # MLflow has needed 50 s on a busy machine
_LOOK_EVERY_S = 0.5


def ui(root: Path, prefect_port: int | None = None, mlflow_port: int | None = None, watched: bool = True) -> None:
    """Serve both pages on this machine alone, say where, and stay until Ctrl-C or TERM; nothing is left running.

    Where PREFECT_API_URL or MLFLOW_TRACKING_URI name a server of the user's, its page is named instead of served.
    A second call in one workspace says where the pages are and returns.

    Args:
        prefect_port, mlflow_port: where to serve them; the workspace's ports from last time unless given.
        watched: whether a champion that is set on MLflow's page, where that is served here, is served.

    Raises ConfigError when a given port is in use, TransientError when a page does not come up.
    """
    try:
        with hold(private(root, "locks") / "ui.lock", f"the pages of {root}"), closing(Claims()) as claims:
            _serve(root, {"prefect": prefect_port, "mlflow": mlflow_port}, watched, claims)
    except Busy:
        pages = Pages.read(root)
        if pages is None:  # it is starting or stopping
            raise
        _say(f"The pages are up already, served by process {pages.process.pid}:", pages)
    except KeyboardInterrupt:
        print("Stopped. The pages are gone, what they showed is kept.", flush=True)


def _serve(root: Path, asked: dict[Page, int | None], watched: bool, claims: Claims) -> None:
    began = time.monotonic()
    own: dict[Page, str | None] = {"prefect": own_prefect(), "mlflow": own_mlflow()}
    ports = {page: _port(root, page, asked[page], claims) for page in own if own[page] is None}
    address = {page: own[page] or f"http://{HOST}:{ports[page]}" for page in own}
    pages = Pages(prefect=address["prefect"], mlflow=address["mlflow"], process=ProcessId.of(os.getpid()))
    if not ports:
        _say("PREFECT_API_URL and MLFLOW_TRACKING_URI name servers of your own, so there is nothing to start:", pages)
        return
    print(f"Starting {' and '.join(name for name in ports)}, which takes half a minute …", flush=True)
    with ExitStack() as stack:
        servers = {page: stack.enter_context(_page(root, page, port)) for page, port in ports.items()}
        for page, server in servers.items():
            health = f"{address[page]}{'/api/health' if page == 'prefect' else '/health'}"
            wait_for(health, server, _log(root, page), f"the {page} page", START_UP_S)
            keep_port(root, page, ports[page])
        with pages.told(root), _watcher(root) if watched and "mlflow" in servers else nullcontext():
            _say(f"Ready after {time.monotonic() - began:.0f} s. Ctrl-C stops both.", pages)
            _stay(root, servers)


def _stay(root: Path, servers: Mapping[Page, subprocess.Popen[bytes]]) -> None:
    """Return never; KeyboardInterrupt ends it, once no run needs the server any more."""
    try:
        while True:
            for page, server in servers.items():
                if server.poll() is not None:
                    raise DiptychError(
                        f"the {page} page has ended by itself (exit {server.returncode}), so both were stopped. "
                        f"{_log(root, page)} says why. Start them again: diptych ui"
                    )
            time.sleep(_LOOK_EVERY_S)
    except KeyboardInterrupt:
        (private(root) / "ui.json").unlink(missing_ok=True)  # no further run is to lean on us
        with _users(root) as descriptor:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(
                    "A run reports to these pages; they go when it has ended. Ctrl-C again stops them now.", flush=True
                )
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        raise


@contextmanager
def leaning_on(root: Path) -> Iterator[Pages | None]:
    """Yield the pages that are served now, which stay as long as the block runs; None when there are none."""
    with _users(root) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield Pages.read(root)


@contextmanager
def _users(root: Path) -> Iterator[int]:
    descriptor = os.open(private(root, "locks") / "ui-users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _watcher(root: Path) -> Iterator[None]:
    """Watch the registry while the block runs; what is done about it is said here, among our own lines."""
    with started([sys.executable, "-u", "-m", "flows.webhooks.watch", str(root)], sys.stdout, cwd=root):
        yield


@contextmanager
def _page(root: Path, page: Page, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Serve a page while the block runs."""
    if page == "prefect":
        home = os.environ.get("PREFECT_HOME") or str(private(root, "prefect"))
        settings = {
            "PREFECT_HOME": home, "PREFECT_UI_ENABLED": "true", "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            # of the page itself, so that it works through a tunnel under another name, too
            "PREFECT_UI_API_URL": "/api",
            # left to itself, Prefect unpacks its page into site-packages, which may be another's, or read-only
            "PREFECT_UI_STATIC_DIRECTORY": str(private(root, "prefect-page")), **LEASES, **kept_for(),
        }  # fmt: skip
    else:
        settings = {
            STORE: store_uri(root), ARTIFACTS: (root.resolve() / "mlartifacts").as_uri(),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # three processes for what nothing here uses
        }  # fmt: skip
    log = _log(root, page)
    log.write_bytes(b"")
    command = [sys.executable, "-m", "uvicorn", "--factory", f"flows.page_apps:{page}_page", "--log-level", "error"]
    with started([*command, "--host", HOST, "--port", str(port), "--lifespan", "on"], log, settings, root) as server:
        yield server


def _port(root: Path, page: Page, asked: int | None, claims: Claims) -> int:
    if asked is None:
        return claims.first(port_of(root, page))
    if not claims.take(checked_port(asked)):
        raise ConfigError(
            f"port {asked} is in use by another program, so the {page} page cannot have it. "
            f"Give it another one: diptych ui --{page}-port {free_port(asked + 1)}; or leave that out, and a free one is taken."
        )
    return asked


def _say(first: str, pages: Pages) -> None:
    lines = (
        f"  Prefect  {pages.prefect:<28} what ran, step by step, with its tables, examples and links",
        f"  MLflow   {pages.mlflow:<28} curves while they are drawn, metrics, model versions, reports",
    )
    print("\n".join((first, *lines)), flush=True)


def _log(root: Path, page: Page) -> Path:
    return private(root, "logs") / f"{page}-page.log"
