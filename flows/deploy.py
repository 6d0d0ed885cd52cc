"""Put a package behind a real Triton server; traffic moves only when the server answers as the package does.

The new server is made ready beside the old one, which goes on serving when anything about the new one is wrong.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from components.contracts.errors import ConfigError
from components.serving.command import DRAIN_S
from components.serving.endpoint import Endpoint, write_endpoint
from components.serving.lock import serving_lock
from components.serving.package import Package
from components.serving.parity import check_parity
from components.serving.routes import read_routes, write_beside
from components.serving.search.searcher import prepare
from components.serving.sweep import sweep
from components.serving.triton import BROKEN_DRAIN_S, READY_S, start, status


def deploy(
    package: Path,
    root: Path,
    label: str,
    *,
    pictures: Sequence[bytes] = (),
    texts: Sequence[str] = (),
    timeout_s: float = READY_S,
) -> Endpoint:
    """Serve the package of this folder, called `label`, in the workspace `root`; return where it is served.

    When a live server has this very package, only the label is brought up to date. `pictures` (encoded) and `texts`
    are what parity is checked on, besides generated odd ones. Safe to ask twice, and to be killed at any time.

    Raises StaleArtifact for a package that is not whole, CapabilityError where Triton cannot run, ParityFailed or
    ServerFailed for a server that is not right, Busy while another deploys. What was served before goes on then.
    """
    verified = Package.verify(package)
    with serving_lock(root):
        now = status(root)
        previous = now.endpoint if now.endpoint is not None and now.endpoint.process.is_alive() else None
        beside = [one.endpoint for one in read_routes(root).beside]
        sweep(root, keep=[*beside, *([previous] if previous else [])])  # what a killed deploy may have left
        if previous is not None and now.state == "serving" and previous.package_digest == verified.digest:
            renamed = replace(previous, label=label)
            write_endpoint(root, renamed)
            return renamed
        with start(root, verified, label=label, timeout_s=timeout_s) as candidate:
            with candidate.client() as client:
                check_parity(client, verified, pictures, texts)
            prepare(candidate.endpoint.repository, root)
            candidate.hand_over()
        drain_s = DRAIN_S if now.state == "serving" else BROKEN_DRAIN_S
        write_beside(root, ())  # what stood beside the old one was held against it
        sweep(root, keep=[candidate.endpoint], drain_s=drain_s)  # the old server answers what it has begun, and ends
    return candidate.endpoint


def deploy_beside(package: Path, root: Path, label: str, share: float = 0.0, shadow: bool = False) -> Endpoint:
    """Serve a package beside the one that is served, with a share of its requests, 0 to 1, or as its shadow; return where.

    The next `deploy` of another package ends it. Errors as of `deploy`; ConfigError where nothing is served yet.
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
                write_beside(root, [*others, replace(one, share=share, shadow=shadow)])
                return one.endpoint
        with start(root, verified, label=label) as candidate:
            with candidate.client() as client:
                check_parity(client, verified, (), ())
            prepare(candidate.endpoint.repository, root)
            candidate.stand_beside(share, shadow)
    return candidate.endpoint


def end_beside(root: Path) -> int:
    """End what stands beside the served one; return how many there were."""
    with serving_lock(root):
        routes = read_routes(root)
        write_beside(root, ())
        sweep(root, keep=[routes.main] if routes.main else [])
    return len(routes.beside)
