"""What a sweep has to show on the page of its run in Prefect: tables, the best first, and where all of it is in MLflow."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from components.registry.links import artifact_link
from components.registry.store import open_store
from flows.pages import mlflow_page
from flows.proving.compare import METRICS
from flows.proving.sweep import LEADERBOARD, lines, places, ranked
from flows.publish import artifact_key, shown


@shown
def publish_sweep(found: Mapping[str, Any], root: Path) -> None:
    """Publish a leaderboard as of `flows.proving.sweep.sweep`: a table for each metric, what was said of it, and where all of it is. Call it inside a flow."""
    for metric in METRICS:
        if rows := [ranked(place, found, metric) for place in places(found, metric)]:
            create_table_artifact(rows, key=artifact_key(f"sweep-{metric}"), description=f"{metric}, the best first")
    run, store = str(found["run"]), open_store(root)
    experiment = store.client.get_run(run).info.experiment_id
    page = f"{mlflow_page(root)}/{artifact_link(experiment, run, LEADERBOARD)}"
    said = "\n".join(f"- {line}" for line in lines(found))
    create_markdown_artifact(
        f"{said}\n- [The leaderboard in MLflow]({page})\n\nData: {json.dumps(found['source'])}. Code {found['commit']}.", key="sweep",
        description=f"{', '.join(found['rows'])}: {len(found['seeds'])} seeds at {found['scale']}",
    )  # fmt: skip
