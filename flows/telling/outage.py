"""What Prefect's server does first after it was away: whom it waited for, it waits for anew, and for what nobody will tell again it does not wait.

Two things that Prefect 3.9 leaves as they are. Windows in which something has to be heard go on by the clock, though nobody could be heard: one that
ended meanwhile counts as silence, and one that ended a minute or more ago is swept away, so that a run that died is waited for no more. And a run's
state is looked at after the one before it, of which the server that heard of it kept in memory that it had: the next one takes it for late, and looks
at what follows it a quarter of an hour later.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect.server.database import PrefectDBInterface


async def come_back() -> None:
    """Do it, before the server looks at any window or event. A database without its tables, of a server that was never there, is left as it is."""
    import sqlalchemy as sa
    from prefect.server.database import provide_database_interface

    db = provide_database_interface()
    async with (await db.engine()).connect() as connection:
        if not await connection.run_sync(lambda one: sa.inspect(one).has_table(db.AutomationBucket.__tablename__)):
            return
    await _wait_anew(db)
    await _take_as_heard(db)


async def _wait_anew(db: "PrefectDBInterface") -> None:
    """Have all windows in which something has to be heard begin now, each as long as it was."""
    import sqlalchemy as sa
    from prefect.server.events.schemas.automations import EventTrigger, Posture

    window, now = db.AutomationBucket, datetime.now(UTC)
    async with db.session_context(begin_transaction=True, with_for_update=True) as session:
        for automation, trigger in (await session.execute(sa.select(db.Automation.id, db.Automation.trigger))).all():
            waits = [
                one.id for one in trigger.all_triggers() if isinstance(one, EventTrigger) and one.posture == Posture.Proactive
            ]  # fmt: skip
            its = sa.select(window.id, window.start, window.end).where(
                window.automation_id == automation, window.trigger_id.in_(waits)
            )
            for identity, start, end in (await session.execute(its)).all():
                moved = sa.update(window).where(window.id == identity).values(start=now, end=now + (end - start))
                await session.execute(moved)


async def _take_as_heard(db: "PrefectDBInterface") -> None:
    """Take all states of runs that are recent enough to be waited for as heard of; a state and the event that tells it have the same id."""
    import sqlalchemy as sa
    from prefect.server.events.ordering import PRECEDING_EVENT_LOOKBACK, get_triggers_causal_ordering
    from prefect.server.events.schemas.events import ReceivedEvent

    state, heard = db.FlowRunState, get_triggers_causal_ordering()
    recent = sa.select(state.id, state.flow_run_id, state.timestamp).where(
        state.timestamp > datetime.now(UTC) - PRECEDING_EVENT_LOOKBACK
    )
    async with db.session_context() as session:
        told = (await session.execute(recent)).all()
    for identity, run, at in told:
        resource = {"prefect.resource.id": f"prefect.flow-run.{run}"}
        event = {"id": identity, "event": "prefect.flow-run", "occurred": at, "received": at, "resource": resource}
        await heard.record_event_as_seen(ReceivedEvent.model_validate(event))
