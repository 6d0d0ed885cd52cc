"""How a workspace stands: its data, its stages, what it shipped, what it serves. Starts nothing and locks nothing."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from components.contracts.errors import DiptychError
from components.serving.endpoint import read_endpoint
from components.serving.record import read_gateway
from components.serving.timeline import read_timeline
from components.stages.events import read_position
from components.stages.outcome import StageOutcome
from components.stages.place import address
from flows.graph import stages_of, why_stale
from flows.shipped import Shipped

TRITON_S = 5.0


def status(root: Path, recipe: str) -> dict[str, Any]:
    """Return what `diptych status --json` prints: data, stages by name, shipped, serving."""
    from components.serving.triton import status as serving_status

    names = {
        address(name, recipe if each else None): (name, recipe if each else None)
        for name, each in stages_of(root).items()
    }
    outcomes = {full: StageOutcome.read(root, *pair) for full, pair in names.items()}
    # While one runs DVC is not asked, since its lock is taken.
    busy = any(outcome is not None and outcome.lives for outcome in outcomes.values())
    why = {} if busy else why_stale(root, list(names))
    stages = {full: _stage(root, full, outcome, why.get(full)) for full, outcome in outcomes.items()}
    shipped, serving = Shipped.read(root, recipe), serving_status(root)
    return {
        "root": str(root),
        "recipe": recipe,
        "data": data_of(root),
        "stages": stages,
        "shipped": asdict(shipped) if shipped else None,
        "serving": {
            "state": serving.state,
            "label": serving.endpoint.label if serving.endpoint else None,
            "package_digest": serving.endpoint.package_digest if serving.endpoint else None,
            "http": serving.endpoint.http if serving.endpoint else None,
            "triton": _triton(serving.endpoint.http) if serving.endpoint and serving.state == "serving" else None,
            "page": gateway.url if (gateway := read_gateway(root)) else None,
            "reason": serving.reason or None,
            "deploy": deploy_stands(root),
        },
    }


def _triton(address: str) -> str | None:
    """Return which version answers; None where it has just ended."""
    from components.serving.triton_client import TritonClient

    try:
        with TritonClient(address, timeout_s=TRITON_S) as client:
            return str(client.metadata()["version"])
    except DiptychError:
        return None


def deploy_stands(root: Path) -> str | None:
    """Return what became of the last deploy, where there is something to know of it: one under way, failed, or that went back."""
    from components.serving.routes import read_routes

    last = read_timeline(root)
    if last is None:
        return None
    shares = ", ".join(f"{one.endpoint.label} has {one.share:.0%} of the requests" for one in read_routes(root).beside)
    if last.outcome == "under way":
        if psutil.pid_exists(last.pid):
            doing = f" ({last.doing})" if last.doing else ""
            return f"{last.label} is being deployed{doing}{f'; {shares}' if shares else ''}"
        endpoint = read_endpoint(root)
        if endpoint is not None and endpoint.label == last.label:
            return f"{last.label} is served; whoever did it was killed before the registry knew, and the next diptych deploy tells it"
        return (
            f"{last.label} was being deployed when whoever did it was killed; {last.before or 'nothing'} is served as before, "
            f"and diptych deploy tries again{f'; {shares} for less than a minute more' if shares else ''}"
        )
    told = "" if last.recorded else "; the registry does not know yet, and the next diptych deploy tells it"
    if last.outcome == "failed":
        return f"{last.label} is not served: {last.why}{told}"
    if last.outcome == "rolled back":
        return f"{last.label} is served again, in place of {last.before}: {last.why}{told}"
    return f"{last.label} is served{told}" if told else None


def data_of(root: Path) -> dict[str, Any] | None:
    """Return what came in: source, samples in all and by split, digest; None before anything did."""
    try:
        came_in = json.loads((root / "data/raw/source.json").read_text(encoding="utf-8"))
        splits = {split: count for split, count in came_in["splits"].items() if count}
        return {
            "source": came_in["source"]["name"],
            "samples": came_in["samples"],
            "splits": splits,
            "digest": came_in["digest"],
        }
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _stage(root: Path, full: str, outcome: StageOutcome | None, why: tuple[str, ...] | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "state": "unknown" if why is None else "stale" if why else "up to date",
        "why": list(why or ()),
    }
    if outcome is not None:
        found |= {"last": outcome.state, "seconds": outcome.seconds, "message": outcome.message}
        if outcome.lives:
            position = read_position(root / ".diptych" / "outcome" / f"{full}.position")
            found |= {"state": "running", "position": position}
    return found


def as_lines(found: dict[str, Any]) -> list[str]:
    """Return the same for people."""
    width = max(map(len, found["stages"]), default=len("version"))
    lines, data = [], found["data"]
    if data is not None:
        splits = ", ".join(f"{split} {count:,}" for split, count in data["splits"].items())
        lines.append(f"{'data':<{width}}  {data['samples']:,} samples from {data['source']} ({splits})")
    for name, stage in found["stages"].items():
        said = stage["state"]
        if stage.get("position"):
            said += f", {stage['position']}"
        if stage["why"]:
            said += f" ({'; '.join(stage['why'][:2])}{', ...' if len(stage['why']) > 2 else ''})"
        lines.append(f"{name:<{width}}  {said}")
    shipped, serving = found["shipped"], found["serving"]
    lines.append(f"{'version':<{width}}  {shipped['version'] + '; ' + shipped['verdict'] if shipped else 'none yet'}")
    version = f", Triton {serving['triton']}" if serving["triton"] else ""
    where = f", {serving['label']} at http://{serving['http']}{version}" if serving["state"] == "serving" else ""
    lines.append(
        f"{'server':<{width}}  {serving['state']}{where}{' (' + serving['reason'] + ')' if serving['reason'] else ''}"
    )
    if serving["deploy"]:
        lines.append(f"{'deploy':<{width}}  {serving['deploy']}")
    lines.append(f"{'page':<{width}}  {serving['page'] or 'none; diptych serve starts it'}")
    return lines
