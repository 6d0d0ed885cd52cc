"""Put a package behind a real Triton server; traffic moves only when the server answers as the package does.

The new server is made ready beside the old one, which goes on serving when anything about the new one is wrong.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from components.serving.command import DRAIN_S
from components.serving.endpoint import Endpoint, write_endpoint
from components.serving.lock import serving_lock
from components.serving.package import Package
from components.serving.parity import check_parity
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
        sweep(root, keep=previous)  # what a killed deploy may have left
        if previous is not None and now.state == "serving" and previous.package_digest == verified.digest:
            renamed = replace(previous, label=label)
            write_endpoint(root, renamed)
            return renamed
        with start(root, verified, label=label, timeout_s=timeout_s) as candidate:
            with candidate.client() as client:
                check_parity(client, verified, pictures, texts)
            candidate.hand_over()
        drain_s = DRAIN_S if now.state == "serving" else BROKEN_DRAIN_S
        sweep(root, keep=candidate.endpoint, drain_s=drain_s)  # the old server answers what it has begun, and ends
    return candidate.endpoint
