"""What people are told, and when: an automation each on a Prefect server, which sends by every channel that the server has.

The server itself sends, so that a worker that died is told of too. What fails in a shell is not told: whoever sits there sees it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from components.contracts.address import without_login, without_password
from components.contracts.errors import DiptychError, TransientError
from components.monitoring.events import BUDGET, DRIFT, PIPELINE, ROLLBACK, VERDICT
from flows.telling.again import GIVEN_UP
from flows.telling.automations import OURS, RUNS, ensured, whole
from flows.telling.channels import block_name, block_type, given, without_address
from flows.telling.notify import LOOKS

if TYPE_CHECKING:
    from prefect.blocks.notifications import AppriseNotificationBlock
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.events import AutomationCore, EventTrigger

_RUN = "{{ event.resource['prefect.resource.id'] | replace('prefect.flow-run.', '') }}"
_SAYS = "{{ event.resource['prefect.state-message'] | replace('Flow run encountered an exception: ', '') }}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One kind of what is told.

    Args:
        name: of the automation, by which it is found again.
        why: one sentence, shown on Prefect's page.
        events: any of which it takes.
        resource: labels that what it is about must have.
        subject, says, run: templates in Jinja: the title, the sentence, the id of the run whose page is linked.
        in_runs: whether the event must come from a run of a deployment of ours.
    """

    name: str
    why: str
    events: tuple[str, ...]
    resource: Mapping[str, Any] = field(default_factory=dict)
    subject: str
    says: str
    run: str
    in_runs: bool = True


NOTICES = (
    Notice(
        name="diptych: a run failed, say so", why="People are told which run failed, with its sentence; also where a gate stayed closed.",
        events=("prefect.flow-run.Failed",), resource=RUNS, subject="{{ flow.name }} failed", says=_SAYS, run=_RUN,
    ),
    Notice(
        name="diptych: a run crashed for good, say so", why="People are told of a run that crashed too often within a day and is not tried again.",
        events=(f"prefect.flow-run.{GIVEN_UP}",), resource=RUNS, subject="{{ flow.name }} crashed", says=_SAYS, run=_RUN,
    ),
    Notice(
        name="diptych: a verdict was given, say so", why="People are told what the gate decided about a version.",
        events=(VERDICT,), resource={"prefect.resource.id": "diptych.endpoint.*"}, subject="{{ event.payload.model }}: verdict",
        says="{{ event.payload.says }}", run="{{ event.payload.run }}",
    ),
    Notice(
        name="diptych: drift found or budget broken, say so",
        why="People are told what a monitor found when it asks for a training or a rollback, so once in monitor.cool_down_h.",
        events=(DRIFT, BUDGET), resource={"prefect.resource.id": "diptych.endpoint.*", "diptych.asks": [PIPELINE, ROLLBACK]},
        subject="{{ event.payload.model }}: {{ 'drift' if event.event == '" + DRIFT + "' else 'budget broken' }}",
        says="{{ event.payload.says }}", run="{{ event.payload.run }}", in_runs=False,
    ),
)  # fmt: skip


def set_up_notices(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Have the Prefect server of PREFECT_API_URL tell people by the channels of the environment and those it knows; return these channels.

    A channel whose variable is gone stays, since its block is the server's. An automation that somebody has paused stays paused.
    Raises ConfigError for an address that is none, DiptychError where the server refuses, TransientError where it does not answer.
    """
    blocks = given(environment)
    with _asking() as client:
        for channel, block in blocks.items():
            block.save(block_name(channel), overwrite=True)
        return _renewed(client)


def renew_notices() -> tuple[str, ...]:
    """Have the Prefect server tell people by the channels that it knows as this code has it; return these channels. Errors as of `set_up_notices`."""
    with _asking() as client:
        return _renewed(client)


def remove_channel(channel: str) -> tuple[str, ...]:
    """Take a channel's block from the server, and return the channels that are left; errors as of `set_up_notices`."""
    with _asking() as client:
        if (kept := _documents(client).get(channel)) is not None:
            client.delete_block_document(kept)
        return _renewed(client)


def try_channels() -> dict[str, str]:
    """Send a word by each channel, from here; return what went wrong, by channel, empty where it was taken."""
    from prefect.blocks.abstract import NotificationError

    found = {}
    with _asking() as client:
        channels = _documents(client)
    for channel in channels:
        block: AppriseNotificationBlock = block_type(channel).load(block_name(channel))  # type: ignore[assignment]
        try:
            with block.raise_on_failure():
                block.notify("This is what a notice looks like. Nothing has happened.", "Diptych: a try")
            found[channel] = ""
        except NotificationError as err:
            found[channel] = without_address(err.log.strip().splitlines()[-1] if err.log.strip() else "refused", block)
    return found


@contextmanager
def _asking() -> Iterator["SyncPrefectClient"]:
    """Yield a client, whose errors are ours while the block runs."""
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL

    where = f"the Prefect server at {without_login(str(PREFECT_API_URL.value()))}"
    try:
        with get_client(sync_client=True) as client:
            yield client
    except httpx.HTTPStatusError as err:
        raise DiptychError(f"{where} refused what sends notices: {without_password(str(err))}") from err
    except (httpx.HTTPError, OSError) as err:
        raise TransientError(
            f"{where} does not answer ({type(err).__name__}: {without_password(str(err))}). Start it, and try again."
        ) from err


def _documents(client: "SyncPrefectClient") -> dict[str, UUID]:
    """Return the block of each channel that the server has."""
    from prefect.exceptions import ObjectNotFound

    found = {}
    for channel in LOOKS:
        try:
            kept = client.read_block_document_by_name(
                block_name(channel), block_type(channel).get_block_type_slug(), include_secrets=False
            )
        except ObjectNotFound:
            continue
        found[channel] = kept.id
    return found


def _renewed(client: "SyncPrefectClient") -> tuple[str, ...]:
    """Have the automations send by the channels that the server has, or be gone where there are none; return the channels."""
    channels = _documents(client)
    for notice in NOTICES:
        if channels:
            ensured(client, _automation(notice, tuple(channels.values())))
        else:
            for kept in client.read_automations_by_name(notice.name):
                client.delete_automation(kept.id)
    return tuple(channels)


def _automation(notice: Notice, blocks: tuple[UUID, ...]) -> "AutomationCore":
    from prefect.events import AutomationCore
    from prefect.events.actions import SendNotification
    from prefect.settings import PREFECT_UI_URL

    page = without_login(PREFECT_UI_URL.value()).rstrip("/")  # where people open it; beside the API unless said
    link = f"{{% if {notice.run[3:-3]} %}}\n{page}/runs/flow-run/{notice.run}{{% endif %}}"
    return whole(AutomationCore(
        name=notice.name, description=notice.why, enabled=True, tags=["diptych"],
        trigger=_takes(notice),
        actions=[SendNotification(block_document_id=block, subject=notice.subject, body=f"{notice.says}{link}") for block in blocks],
    ))  # fmt: skip


def _takes(notice: Notice) -> "EventTrigger":
    from datetime import timedelta

    from prefect.events import EventTrigger, ResourceSpecification

    return EventTrigger(
        expect=set(notice.events), match=ResourceSpecification(dict(notice.resource)),
        match_related=ResourceSpecification(OURS if notice.in_runs else {}),
        for_each={"prefect.resource.id"}, threshold=1, within=timedelta(seconds=0),
    )  # fmt: skip
