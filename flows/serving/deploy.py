"""Put a package behind a real Triton server; traffic moves only when the server answers as the package does.

The new server is made ready beside the old one, which goes on serving when anything about the new one is wrong.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from components.contracts.errors import ConfigError, TransientError
from components.serving.candidate import tail
from components.serving.command import DRAIN_S
from components.serving.endpoint import Endpoint, read_previous, read_stopped, write_endpoint, write_previous
from components.serving.errors import ServerFailed
from components.serving.lock import serving_lock
from components.serving.package import Package
from components.serving.parity import check_latency, check_parity
from components.serving.routes import read_routes, write_beside
from components.serving.search.searcher import prepare
from components.serving.sweep import sweep
from components.serving.triton import BROKEN_DRAIN_S, READY_S, restart, start, status


def deploy(
    package: Path,
    root: Path,
    label: str,
    *,
    pictures: Sequence[bytes] = (),
    texts: Sequence[str] = (),
    latency_ms: float = math.inf,
    timeout_s: float = READY_S,
    handed: Callable[[], None] = lambda: None,
) -> Endpoint:
    """Serve the package of this folder, called `label`, in the workspace `root`; return where it is served.

    When a live server has this very package, only the label is brought up to date. `pictures` (encoded) and `texts`
    are what parity is checked on, besides generated odd ones; one of them by itself may take `latency_ms`. Safe to ask twice, and to be
    killed at any time. `handed` is called as soon as requests go to it, before what was served has ended. The files of what was served before stay, so that `flows.serving.rollback` can go back to it.

    Raises StaleArtifact for a package that is not whole, CapabilityError where Triton cannot run, ParityFailed or
    ServerFailed for a server that is not right, Busy while another deploys. What was served before goes on then.
    """
    verified = Package.verify(package)
    with serving_lock(root):
        now = status(root)
        before = now.endpoint or read_stopped(root)
        lives = now.endpoint if now.endpoint is not None and now.endpoint.process.is_alive() else None
        beside = [one.endpoint for one in read_routes(root).beside]
        sweep(root, keep=[*beside, *([lives] if lives else [])])  # what a killed deploy may have left
        if lives is not None and now.state == "serving" and lives.package_digest == verified.digest:
            renamed = replace(lives, label=label)
            write_endpoint(root, renamed)
            return renamed
        with start(root, verified, label=label, timeout_s=timeout_s) as candidate:
            with candidate.client() as client:
                check_parity(client, verified, pictures, texts)
                check_latency(client, pictures, texts, latency_ms)
            prepare(candidate.endpoint.repository, root)
            candidate.hand_over()
        _keep(root, before, candidate.endpoint)
        handed()
        drain_s = DRAIN_S if now.state == "serving" else BROKEN_DRAIN_S
        write_beside(root, ())  # what stood beside the old one was held against it
        sweep(root, keep=[candidate.endpoint], drain_s=drain_s)  # the old server answers what it has begun, and ends
    return candidate.endpoint


def deploy_beside(
    package: Path,
    root: Path,
    label: str,
    share: float = 0.0,
    shadow: bool = False,
    *,
    until: float | None = None,
    pictures: Sequence[bytes] = (),
    texts: Sequence[str] = (),
    latency_ms: float = math.inf,
    timeout_s: float = READY_S,
) -> Endpoint:
    """Serve a package beside the one that is served, with a share of its requests, 0 to 1, or as its shadow; return where.

    It ends where `until`, in seconds since 1970, has passed and nobody has said a later one. Of the others as of `deploy`. The next `deploy` of another package ends it. Errors as of `deploy`; ConfigError where nothing is served yet.
    """
    verified = Package.verify(package)
    with serving_lock(root):
        now = status(root)
        if now.state != "serving":
            raise ConfigError(
                f"nothing answers that {label} could stand beside. Run `make run`, which ends with a server."
            )
        routes = read_routes(root)
        sweep(root, keep=routes.endpoints)
        others = [one for one in routes.beside if one.endpoint.package_digest != verified.digest]
        if sum(one.share for one in others) + share > 1:
            raise ConfigError(
                f"with a share of {share:g} for {label} the shares beside the champion come to more than 1. diptych serve --alone ends them all."
            )
        if routes.main is not None and routes.main.package_digest == verified.digest:
            raise ConfigError(f"{label} is what is served already, so it cannot stand beside itself.")
        for one in routes.beside:
            if one.endpoint.package_digest == verified.digest:  # it stands there; its share is another now
                write_beside(root, [*others, replace(one, share=share, shadow=shadow, until=until)])
                return one.endpoint
        with start(root, verified, label=label, timeout_s=timeout_s) as candidate:
            with candidate.client() as client:
                check_parity(client, verified, pictures, texts)
                check_latency(client, pictures, texts, latency_ms)
            prepare(candidate.endpoint.repository, root)
            candidate.stand_beside(share, shadow, until)
    return candidate.endpoint


def set_share(root: Path, endpoint: Endpoint, share: float, shadow: bool, until: float) -> None:
    """Give a server that stands beside the served one another share, and a longer lease; TransientError where it stands there no more."""
    with serving_lock(root):
        beside = read_routes(root).beside
        if not any(one.endpoint.instance == endpoint.instance for one in beside):
            raise TransientError(
                f"{endpoint.label} does not stand beside the served version any more: somebody ended it. Deploy it again: diptych deploy"
            )
        write_beside(
            root,
            [
                replace(one, share=share, shadow=shadow, until=until)
                if one.endpoint.instance == endpoint.instance
                else one
                for one in beside
            ],
        )


def take_over(root: Path, endpoint: Endpoint, handed: Callable[[], None] = lambda: None) -> None:
    """Make the server that stands beside the served one the served one; what was served before ends once it has answered what it has begun.

    `handed` as of `deploy`.
    """
    with serving_lock(root):
        if not endpoint.process.is_alive():
            raise ServerFailed(f"{endpoint.label} has ended before it could take over. {tail(endpoint.log)}")
        now = status(root)
        write_endpoint(root, endpoint)
        _keep(root, now.endpoint, endpoint)
        handed()
        write_beside(root, ())
        sweep(root, keep=[endpoint], drain_s=DRAIN_S if now.state == "serving" else BROKEN_DRAIN_S)


def go_back(
    root: Path, handed: Callable[[Endpoint, Endpoint | None], None] = lambda now, before: None
) -> tuple[Endpoint, Endpoint | None]:
    """Serve again what was served before, from the files that were kept; return it, and what it took the place of.

    `handed` is called with both as soon as requests go to it, before what was served has ended.

    ConfigError where nothing was served before, or its files are gone; the others as of `deploy`. What was served goes on then.
    """
    with serving_lock(root):
        now, previous = status(root), read_previous(root)
        before = now.endpoint or read_stopped(root)
        same = previous is not None and before is not None and previous.package_digest == before.package_digest
        if previous is None or same or not previous.repository.exists():
            stopped = (
                " What was stopped goes on with diptych up." if now.endpoint is None and before is not None else ""
            )
            raise ConfigError(
                "nothing was served here before what is served now, so there is nothing to go back to. Serve another version: "
                f"diptych promote NAME@N --because REASON.{stopped}"
            )
        with restart(root, previous) as candidate:
            prepare(candidate.endpoint.repository, root)
            candidate.hand_over()
        _keep(root, before, candidate.endpoint)
        handed(candidate.endpoint, before)
        write_beside(root, ())
        sweep(root, keep=[candidate.endpoint], drain_s=DRAIN_S if now.state == "serving" else BROKEN_DRAIN_S)
    return candidate.endpoint, before


def _keep(root: Path, served: Endpoint | None, by: Endpoint) -> None:
    """Keep the files of what is served now, where another package takes its place."""
    if served is not None and served.package_digest != by.package_digest:
        write_previous(root, served)


def end_beside(root: Path, only: Endpoint | None = None) -> int:
    """End what stands beside the served one, or one of them; return how many ended."""
    with serving_lock(root):
        routes = read_routes(root)
        left = [one for one in routes.beside if only is not None and one.endpoint.instance != only.instance]
        write_beside(root, left)
        sweep(root, keep=[*([routes.main] if routes.main else []), *(one.endpoint for one in left)])
    return len(routes.beside) - len(left)
