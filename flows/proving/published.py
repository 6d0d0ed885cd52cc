"""What proofs and sweeps have to show on the pages of their runs in Prefect: claims with their seeds; tables, the best first, and where all of it is in MLflow."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from components.registry.links import artifact_link
from components.registry.store import open_store
from components.stages.events import clock
from flows.bill import price
from flows.pages import mlflow_page
from flows.proving.compare import METRICS
from flows.proving.prove import lines as claimed
from flows.proving.prove import proof_of
from flows.proving.sweep import LEADERBOARD, lines, places, ranked
from flows.publish import artifact_key, shown
from flows.recipes import PROOFS


@shown
def publish_proof(found: Mapping[str, Any], root: Path) -> None:
    """Publish a proof as of `flows.proving.prove.prove`: what was claimed, each seed, what was run, its data, and what it took. Call it inside a flow."""
    an_hour, source = price(root), proof_of(root, found["recipe"]).source
    cost = "" if an_hour is None else f", which costs {found['seconds'] / 3600 * an_hour:,.4f} at {an_hour:g} an hour"
    said = [
        "\n".join(f"- {line.strip()}" for line in claimed(found)),
        f"Arms: {', '.join(found['arms'])}. Scale {found['scale']}. Data: {json.dumps(source) if source else 'the usual'}. Code {found['commit']}.",
        f"{clock(found['seconds'])} on {found['machine']}{cost}. `{root / PROOFS / found['recipe']}.json` has all of it.",
    ]
    create_markdown_artifact("\n\n".join(said), key="proof", description=f"{found['recipe']}: {found['outcome']}")


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
