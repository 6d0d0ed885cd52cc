"""Look at what is served, every quarter of an hour: tell Prefect what was found, and show it on the run's page.

Automations on the server wait for events that ask for a training or a rollback (flows/telling/automations.py); a look only asks.
"""

from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.settings import PREFECT_API_URL
from pydantic import Field

from components.monitoring.page import markdown
from flows.monitored import monitored
from flows.run import find_root
from flows.telling.told import tell


@flow(name="monitor")
def monitor(since_h: Annotated[float | None, Field(gt=0, le=24 * 366)] = None) -> dict[str, Any]:
    """Return what was found, as `diptych monitor --json` prints it.

    Args:
        since_h: hours of requests to look at; those of params.yaml unless given.
    """
    root = find_root(Path.cwd())
    seen = monitored(root, since_h, tell if PREFECT_API_URL.value() else None)  # a server for one run acts on nothing
    create_markdown_artifact(
        f"{markdown(seen)}\n\nWith plots: `{root / '.diptych/monitor/report.html'}`", key="monitor", description=seen.sentence
    )  # fmt: skip
    return seen.as_json()
