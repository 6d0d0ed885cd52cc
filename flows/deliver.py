"""The flows `deploy` and `rollback`, for whoever starts them: an automation, a schedule, or a person on Prefect's page."""

from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State

from components.contracts.errors import Busy, GateClosed, is_transient
from components.serving.endpoint import read_endpoint
from flows.forms import Model, Reason, VersionOrAny
from flows.publish import publish_decided, publish_served, publish_version
from flows.run import find_root
from flows.serving.rollback import rollback as go_back
from flows.serving.rollout import Rolled, rollout

LOCK_S = 120.0


def may_pass(_task: Any, _run: Any, state: State[Any]) -> bool:
    """Return whether what failed was the world, or another deploy, so that another try may succeed."""
    return isinstance(state.data, Busy) or (isinstance(state.data, BaseException) and is_transient(state.data))


@task(
    name="rollout", retries=4, retry_delay_seconds=[10, 30, 60, 120], retry_condition_fn=may_pass, cache_policy=NO_CACHE
)
def roll(root: Path, model: str) -> Rolled:
    """Bring the endpoint to what the alias asks for, once whoever deploys has ended."""
    return rollout(root, model, wait_s=LOCK_S, show=publish_decided)


@flow(name="deploy")
def deploy(model: Model = "clip") -> str:
    """Serve what the alias `champion` of a registered model asks for. GateClosed, with why, where it may not be served.

    Args:
        model: name of the registered model, such as clip.
    """
    root = find_root(Path.cwd())
    rolled = roll(root, model)
    publish_served(model, rolled.sentence, root)
    if rolled.outcome == "refused":
        raise GateClosed(rolled.sentence)
    if rolled.label:  # empty where nothing is asked for, and nothing is served
        publish_version(root, rolled.label)
    return rolled.sentence


@flow(name="rollback")
def rollback(because: Reason = "", leave: VersionOrAny = "") -> str:
    """Serve again what was served before.

    Args:
        because: why, which is kept with both versions.
        leave: the version that is to be left, such as clip@4, so that nothing happens where another is served by now; empty for any.
    """
    root = find_root(Path.cwd())
    sentence = go_back(root, because, leave)
    if (endpoint := read_endpoint(root)) is not None:
        publish_served(endpoint.label.partition("@")[0], sentence, root)
    return sentence
