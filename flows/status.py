"""How a workspace stands: its stages, what it shipped, what it serves. Starts nothing and locks nothing."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from components.stages.events import read_position
from components.stages.outcome import StageOutcome
from components.stages.place import address
from flows.graph import stages_of, why_stale
from flows.shipped import Shipped


def status(root: Path, recipe: str) -> dict[str, Any]:
    """Return what `diptych status --json` prints: stages by name, shipped, serving."""
    from components.serving.triton import status as serving_status

    stages = {}
    for name, each in stages_of(root).items():
        outcome = StageOutcome.read(root, name, recipe if each else None)
        full = address(name, recipe if each else None)
        stages[full] = _stage(root, full, outcome)
    shipped, serving = Shipped.read(root, recipe), serving_status(root)
    return {
        "root": str(root),
        "recipe": recipe,
        "stages": stages,
        "shipped": asdict(shipped) if shipped else None,
        "serving": {
            "state": serving.state,
            "label": serving.endpoint.label if serving.endpoint else None,
            "package_digest": serving.endpoint.package_digest if serving.endpoint else None,
            "http": serving.endpoint.http if serving.endpoint else None,
            "reason": serving.reason or None,
        },
    }


def _stage(root: Path, full: str, outcome: StageOutcome | None) -> dict[str, Any]:
    """Return one stage's state; while it runs DVC is not asked, since its lock is taken."""
    last = (
        {"last": outcome.state, "seconds": outcome.seconds, "message": outcome.message} if outcome else {"last": None}
    )
    if outcome is not None and outcome.lives:
        return {
            "state": "running",
            "position": read_position(root / ".diptych" / "outcome" / f"{full}.position"),
            **last,
        }
    reasons = why_stale(root, full)
    return {"state": "stale" if reasons else "up to date", "why": list(reasons), **last}


def as_lines(found: dict[str, Any]) -> list[str]:
    """Return the same for people."""
    width = max(map(len, found["stages"]))
    lines = []
    for name, stage in found["stages"].items():
        said = stage["state"]
        if stage["state"] == "running" and stage["position"]:
            said += f", {stage['position']}"
        if stage.get("why"):
            said += f" ({'; '.join(stage['why'][:2])}{', ...' if len(stage['why']) > 2 else ''})"
        lines.append(f"{name:<{width}}  {said}")
    shipped, serving = found["shipped"], found["serving"]
    lines.append(f"{'version':<{width}}  {shipped['version'] + '; ' + shipped['verdict'] if shipped else 'none yet'}")
    where = f", {serving['label']} at http://{serving['http']}" if serving["state"] == "serving" else ""
    lines.append(
        f"{'server':<{width}}  {serving['state']}{where}{' (' + serving['reason'] + ')' if serving['reason'] else ''}"
    )
    return lines
