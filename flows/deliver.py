"""The flows `deploy` and `rollback`, for whoever starts them: an automation, a schedule, or a person on Prefect's page."""

from pathlib import Path

from prefect import flow

from components.contracts.errors import GateClosed
from flows.rollback import rollback as go_back
from flows.rollout import rollout
from flows.run import find_root


@flow(name="deploy")
def deploy(model: str = "clip") -> str:
    """Serve what the alias `champion` of a registered model asks for. GateClosed, with why, where it may not be served."""
    rolled = rollout(find_root(Path.cwd()), model)
    if rolled.outcome == "refused":
        raise GateClosed(rolled.sentence)
    return rolled.sentence


@flow(name="rollback")
def rollback(because: str = "") -> str:
    """Serve again what was served before."""
    return go_back(find_root(Path.cwd()), because)
