"""What a person sees of a stage on the run's page in Prefect: the table of metrics, and where the reports are."""

import json
import re
from pathlib import Path

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.workspace import Workspace


def publish(stage: str, workspace: Workspace) -> None:
    """Publish what this stage has to show, which for most is nothing. Call it inside a flow."""
    runs = workspace.root / "runs" / workspace.recipe
    if stage == "validate":
        _link("validation", "What was found in the data", workspace.root / "data" / "validated" / "report.html")
    if stage == "package":
        _link(f"package-{workspace.recipe}", "The model: curves, metrics, examples", runs / "package" / "report.html")
    if stage == "evaluate":
        metrics = json.loads((runs / "evaluate" / "metrics.json").read_text())
        table = [{"metric": name, **metric} for name, metric in metrics.items()]
        create_table_artifact(table, key=_key(f"metrics-{workspace.recipe}"), description="With chance and baseline")


def _link(key: str, title: str, page: Path) -> None:
    if page.exists():
        create_markdown_artifact(f"[{title}]({page.as_uri()})", key=_key(key), description=str(page))


def _key(text: str) -> str:
    """Return what Prefect takes for a key: small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
