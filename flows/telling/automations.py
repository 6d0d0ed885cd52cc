"""What follows from what on a Prefect server: our automations, a row each, made by name however often they are asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from components.contracts.address import without_login, without_password
from components.contracts.errors import ConfigError, DiptychError, TransientError
from components.monitoring.events import BUDGET, DRIFT, PIPELINE, ROLLBACK
from flows.telling.events import ALIAS_SET, model_resource

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse
    from prefect.events import AutomationCore, EventTrigger


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """An event that runs a deployment.

    Args:
        name: of the automation, by which it is found again.
        why: one sentence, shown on Prefect's page.
        event: its name.
        resource: what it is about; `*` stands for the rest of a name. Each resource is looked at by itself.
        deployment: flow and deployment, such as deploy/manual.
        labels: what the resource must be labelled with too.
        parameters: of the flow; templates in Jinja over `event`.
        times: how many of the events it takes.
        within_s: seconds in which they have to come; 0 where one is enough.
    """

    name: str
    why: str
    event: str
    resource: str
    deployment: str
    labels: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    times: int = 1
    within_s: float = 0.0


DEPLOY = Reaction(
    name="diptych: champion set, deploy",
    why="Somebody set the alias champion in the registry, so what it names is vetted and served.",
    event=ALIAS_SET, resource=model_resource("*"), deployment="deploy/manual",
    parameters={"model": "{{ event.payload.model }}"},
)  # fmt: skip
TRAIN = Reaction(
    name="diptych: drift found, train again",
    why="What is asked is not what was trained on any more. A monitor asks for it once in monitor.cool_down_h, so it cannot loop.",
    event=DRIFT, resource="diptych.endpoint.*", labels={"diptych.asks": PIPELINE}, deployment="pipeline/manual",
    parameters={"recipe": "{{ event.payload.recipe }}"},
)  # fmt: skip
GO_BACK = Reaction(
    name="diptych: budget broken, roll back",
    why="Errors or latency broke their budget soon after a deploy, so what was served before is served again.",
    event=BUDGET, resource="diptych.endpoint.*", labels={"diptych.asks": ROLLBACK}, deployment="rollback/manual",
    parameters={"because": "{{ event.payload.says }}", "leave": "{{ event.payload.model }}"},
)  # fmt: skip
REACTIONS = (DEPLOY, TRAIN, GO_BACK)
SILENT_S = 90  # that a run may not be heard of, of which a beat comes each BEAT_S seconds, before it counts as crashed
BEAT_S = 30
DIED = "or its machine died"  # with which it ends what a watchdog says of a crash
SILENT, NOT_BEGUN = "diptych: nothing heard of a run, crashed", "diptych: a run did not begin, crashed"
WATCHDOGS = (SILENT, NOT_BEGUN)
"""What looks after runs whose workers die, by name; again.py has them tried again."""
OF_BEFORE = ("diptych: a run crashed, try again",)
"""Watchdogs of code before this one, which would do what again.py does."""


def set_up_automations(
    root: Path,
    reactions: Sequence[Reaction] = REACTIONS,
    watched: bool = False,
    silent_s: float = SILENT_S,
    if_there: bool = False,
) -> tuple[str, ...]:
    """Have the Prefect server of PREFECT_API_URL react so; return the names of those that had to be made or changed.

    Args:
        root: the workspace.
        reactions: which of ours.
        watched: whether a run of which nothing is heard counts as crashed there.
        silent_s: seconds after which it does, at least 10; what Prefect holds a place for that did not begin has to be more.
        if_there: whether a reaction whose deployment is missing is left out.

    One that somebody has paused stays paused. Raises ConfigError where a deployment is missing, or works in another workspace of this machine
    than `root`, DiptychError where the server refuses, TransientError where it does not answer.
    """
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound
    from prefect.settings import PREFECT_API_URL

    at = without_login(str(PREFECT_API_URL.value()))
    changed: list[str] = []
    try:
        with get_client(sync_client=True) as client:
            for reaction in reactions:
                try:
                    deployment = client.read_deployment_by_name(reaction.deployment)
                except ObjectNotFound as err:
                    if if_there:
                        continue
                    raise ConfigError(
                        f"the Prefect server at {at} has no deployment {reaction.deployment}, which "
                        f"{reaction.event} is to run. Make it: prefect deploy --all"
                    ) from err
                _works_here(root, reaction, deployment)
                if ensured(client, _automation(reaction, deployment.id)):
                    changed.append(reaction.name)
            changed += [wanted.name for wanted in (watchdogs(silent_s) if watched else ()) if ensured(client, wanted)]
            for name in OF_BEFORE if watched else ():
                for kept in client.read_automations_by_name(name):
                    client.delete_automation(kept.id)
    except httpx.HTTPStatusError as err:
        raise DiptychError(f"the Prefect server at {at} refused an automation: {without_password(str(err))}") from err
    except (httpx.HTTPError, OSError) as err:
        raise TransientError(
            f"the Prefect server at {at} does not answer ({type(err).__name__}: {without_password(str(err))}). Start it, and try again."
        ) from err
    return tuple(changed)


def _works_here(root: Path, reaction: Reaction, deployment: "DeploymentResponse") -> None:
    """Raise ConfigError where a deployment works in another workspace of this machine: all that use a Prefect server share its names."""
    for step in deployment.pull_steps or ():
        directory = Path(step.get("prefect.deployments.steps.set_working_directory", {}).get("directory", root))
        if directory.exists() and not directory.samefile(root):
            raise ConfigError(
                f"the deployment {reaction.deployment} of that Prefect server works in {directory}, so what is asked for here would be done "
                "there. Give each workspace a Prefect server, or have this one's deployments in their place: prefect deploy --all"
            )


def ensured(client: "SyncPrefectClient", wanted: "AutomationCore") -> bool:
    """Have one automation of that name, as it is wanted; return whether it had to be made or changed."""
    found = client.read_automations_by_name(wanted.name)
    for twin in found[1:]:
        client.delete_automation(twin.id)
    if not found:
        client.create_automation(wanted)
    elif not _same(found[0], wanted):
        wanted.enabled = found[0].enabled
        client.update_automation(found[0].id, wanted)
    else:
        return False
    return True


def watchdogs(silent_s: float = SILENT_S) -> tuple["AutomationCore", ...]:
    """Return what looks after runs whose workers die."""
    return _silent_is_crashed(silent_s), _never_begun_is_crashed(silent_s)


def _silent_is_crashed(silent_s: float) -> "AutomationCore":
    """Return what marks a run as crashed of which nothing is heard any more: Prefect itself leaves it running for ever."""
    from prefect.events import EventTrigger
    from prefect.events.schemas.automations import Posture

    return _crashes(
        SILENT,
        f"A run whose worker or machine died says nothing more; after {silent_s:g} s it counts as crashed, and its place is free.",
        EventTrigger(
            posture=Posture.Proactive, after={_BEAT, *_BEGUN}, expect={_BEAT, *_OVER}, match=RUNS, match_related=OURS,
            for_each={"prefect.resource.id"}, threshold=1, within=timedelta(seconds=silent_s),
        ),
        f"nothing was heard of it for {silent_s:g} s: its worker {DIED}",
    )  # fmt: skip


def _never_begun_is_crashed(silent_s: float) -> "AutomationCore":
    """Return the same for a run that a worker has taken and that has not begun.

    A process begins within seconds; what waits for a pod may wait for a machine first, and is left alone.
    """
    from prefect.events import EventTrigger
    from prefect.events.schemas.automations import Posture

    return _crashes(
        NOT_BEGUN,
        f"A run whose worker died before it began says nothing at all; after {silent_s:g} s it counts as crashed, and its place is free.",
        EventTrigger(
            posture=Posture.Proactive, after={_PENDING}, expect={_PENDING, *_BEGUN, *_OVER}, match=RUNS, match_related=[OURS, PROCESSES],
            for_each={"prefect.resource.id"}, threshold=1, within=timedelta(seconds=silent_s),
        ),
        f"a worker took it, and it did not begin in {silent_s:g} s: the worker {DIED}",
    )  # fmt: skip


def _crashes(name: str, why: str, trigger: "EventTrigger", message: str) -> "AutomationCore":
    from prefect.client.schemas.objects import StateType
    from prefect.events import AutomationCore
    from prefect.events.actions import ChangeFlowRunState

    action = ChangeFlowRunState(name=None, force=False, state=StateType.CRASHED, message=message)
    return whole(
        AutomationCore(name=name, description=why, tags=["diptych"], enabled=True, trigger=trigger, actions=[action])
    )


_BEAT = "prefect.flow-run.heartbeat"
_PENDING = "prefect.flow-run.Pending"  # also of a second time, whose window begins anew
_BEGUN = tuple(f"prefect.flow-run.{name}" for name in ("Running", "Retrying", "Rerunning"))
_OVER = tuple(
    f"prefect.flow-run.{name}"
    for name in ("Completed", "Failed", "Cancelled", "Crashed", "Paused", "Suspended", "AwaitingRetry", "Scheduled")
)
RUNS: dict[str, Any] = {"prefect.resource.id": "prefect.flow-run.*"}
OURS: dict[str, Any] = {"prefect.resource.id": "prefect.tag.diptych", "prefect.resource.role": "tag"}
PROCESSES: dict[str, Any] = {"prefect.resource.role": "work-pool", "prefect.work-pool.type": "process"}


def _automation(reaction: Reaction, deployment: UUID) -> "AutomationCore":
    from prefect.events import AutomationCore, EventTrigger, ResourceSpecification
    from prefect.events.actions import RunDeployment

    made = AutomationCore(
        name=reaction.name, description=reaction.why, enabled=True, tags=["diptych"],
        trigger=EventTrigger(
            expect={reaction.event}, match=ResourceSpecification({"prefect.resource.id": reaction.resource, **reaction.labels}),
            for_each={"prefect.resource.id"}, threshold=reaction.times, within=timedelta(seconds=reaction.within_s),
        ),
        actions=[RunDeployment(source="selected", deployment_id=deployment, parameters=dict(reaction.parameters), job_variables=None)],
    )  # fmt: skip
    return whole(made)


def whole(made: "AutomationCore") -> "AutomationCore":
    """Return the same with all said: what is left unsaid is not sent with a change, and the server asks for all of it."""
    return type(made).model_validate(made.model_dump(exclude={"owner_resource"}))


def _same(found: "AutomationCore", wanted: "AutomationCore") -> bool:
    """Return whether nothing that we say differs; whether it is enabled is for people to say."""
    parts = ("description", "tags", "trigger", "actions")
    return all(_plain(getattr(found, part)) == _plain(getattr(wanted, part)) for part in parts)


def _plain(part: object) -> object:
    if isinstance(part, list):
        return [_plain(one) for one in part]
    return part.model_dump() if hasattr(part, "model_dump") else part  # as Python has it: in JSON a set has an order
