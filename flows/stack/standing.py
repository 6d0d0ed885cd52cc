"""How a machine's servers stand beside the workspace that they are of: what runs and waits, what the disk has, a restore that was not ended."""

from pathlib import Path
from typing import Any

from components.contracts.errors import DiptychError
from components.serving.record import read_gateway
from flows.stack import disk, queue
from flows.stack.place import Place
from flows.stack.restoring import said_of_restoring
from flows.stack.seen import Seen, as_lines, read_seen


def standing(root: Path) -> dict[str, Any]:
    """Return what `diptych status --json` says of them; `queue` is a sentence where Prefect does not answer, None where no server runs."""
    seen = read_seen(root)
    found = _queues(root) if seen else None
    return {
        "servers": seen.as_json() if seen else None, "queue": [one.as_json() for one in found] if isinstance(found, list) else found,
        "disk": disk.disk(root).as_json(), "restoring": said_of_restoring(root) or None, "metrics": metrics_of(root, seen),
    }  # fmt: skip


def lines(root: Path) -> list[str]:
    """Return the same for people."""
    seen = read_seen(root)
    said = disk.as_lines(disk.disk(root))
    if seen:
        found = _queues(root)
        pools = (
            [f"queue    {found}"] if isinstance(found, str) else [f"queue    {line}" for line in queue.as_lines(found)]
        )
        said = [*as_lines(seen), *metric_lines(root, seen), *pools, *said]
    return [*said, *([f"restore  {restoring}"] if (restoring := said_of_restoring(root)) else [])]


def metrics_of(root: Path, seen: Seen | None) -> dict[str, str]:
    """Return who answers Prometheus -> where."""
    found: dict[str, str] = {} if seen is None else {one.name: one.metrics for one in seen.services if one.metrics}
    if seen and seen.metrics:
        found = {"supervisor": seen.metrics, **found}
    gateway = read_gateway(root)
    return found | ({"gateway": f"{gateway.url}metrics"} if gateway else {})


def metric_lines(root: Path, seen: Seen) -> list[str]:
    """Return a line that says where Prometheus is answered."""
    found = metrics_of(root, seen)
    return [f"metrics  {', '.join(f'{url} ({name})' for name, url in found.items())}"] if found else []


def _queues(root: Path) -> list[queue.Queue] | str:
    try:
        return queue.queues(Place.read(root))
    except DiptychError as err:
        return str(err)
