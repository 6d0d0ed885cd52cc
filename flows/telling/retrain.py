"""A run that trains again, opened where a Prefect server is known; else the command that does the same."""

import os
from dataclasses import dataclass
from typing import Any

from components.contracts.address import without_login, without_password
from components.contracts.errors import TransientError

DEPLOYMENT = "pipeline/manual"  # of prefect.yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What is to be run.

    Args:
        recipe: whose model is trained again.
        flow_run: Prefect's name for the run, which a worker picks up; None where nobody was asked.
        sentence: what was done, or is left to do.
    """

    recipe: str
    flow_run: str | None
    sentence: str


def open_run(recipe: str, of: str, asks: bool) -> Opened:
    """Have a recipe trained again; asked twice for the same, it is one run.

    Args:
        of: what tells this takedown from others.
        asks: whether a Prefect server is asked, where PREFECT_API_URL names one.

    Raises TransientError while the server does not answer.
    """
    command = f"diptych run --recipe {recipe}"
    if not asks:
        return Opened(recipe=recipe, flow_run=None, sentence=f"{recipe} is trained again, here")
    if not os.environ.get("PREFECT_API_URL"):
        return Opened(recipe=recipe, flow_run=None, sentence=f"to train without them: {command}")
    import httpx
    from prefect.deployments import run_deployment
    from prefect.exceptions import ObjectNotFound

    try:
        run: Any = run_deployment(  # typed as if somebody might await it
            DEPLOYMENT, parameters={"recipe": recipe}, timeout=0, as_subflow=False, tags=["takedown"],
            idempotency_key=f"takedown {of} {recipe}", flow_run_name=f"takedown-{of}-{recipe}",
        )  # fmt: skip
    except ObjectNotFound:
        lacks = f"the Prefect server has no deployment {DEPLOYMENT}, so nothing is scheduled: prefect deploy --all"
        return Opened(recipe=recipe, flow_run=None, sentence=f"{lacks}, or train here: {command}")
    except (httpx.HTTPError, RuntimeError) as err:  # Prefect wraps a refused connection in a RuntimeError
        raise TransientError(
            f"the Prefect server at {without_login(os.environ['PREFECT_API_URL'])} does not answer ({type(err).__name__}: {without_password(str(err))}). Data and marks are in place; "
            "ask again, with no keys, once it does."
        ) from err
    said = f"a run that trains {recipe} without them is scheduled: {run.id}, for a worker of {DEPLOYMENT}"
    return Opened(recipe=recipe, flow_run=str(run.id), sentence=said)
