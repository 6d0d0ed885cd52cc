"""What our Prefect server does with a run that crashed: it waits for the next worker, until it has crashed too often within a day.

No automation of Prefect's can: of one crash up to three tell (the run, who started it, its worker), and automations count words; one that waits for the
last of them acts on whatever comes after its time. Here a run is looked at as it is, under its lock, and what a restart kept from being done is done by
the next look.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from components.contracts.errors import ConfigError
from flows.telling.automations import DIED

if TYPE_CHECKING:
    from prefect.server.database import PrefectDBInterface
    from prefect.server.database.orm_models import FlowRun
    from prefect.server.schemas.states import State
    from sqlalchemy.ext.asyncio import AsyncSession

TRIES = "DIPTYCH_TRIES_A_DAY"
TRIES_A_DAY, MOST_TRIES = 3, 100
GIVEN_UP = "GivenUp"
"""The name of the state of a run that crashed too often; its type is CRASHED."""
AGAIN = "it crashed, and is tried again"
ALL_TOLD = timedelta(seconds=20)
"""Within which all have told of a crash; tried again before that, a run would crash once more by the word of the next."""
LOOKS_EVERY_S = 5.0
A_DAY = timedelta(days=1)
LOOKS_BACK = timedelta(days=3)
"""To what crashed before the servers were down, as over a weekend; what crashed before that stays as it is."""

log = logging.getLogger(__name__)


def tried() -> dict[str, str]:
    """Return what tells Prefect's server how often a day it has a run done that crashes: three times, or by DIPTYCH_TRIES_A_DAY; ConfigError for what is no number of times."""
    return {TRIES: str(_tries(TRIES_A_DAY))}


def _tries(otherwise: int) -> int:
    said = os.environ.get(TRIES, str(otherwise))
    if not said.isdecimal() or not 1 <= int(said) <= MOST_TRIES:
        raise ConfigError(
            f"{TRIES} is {said!r}, but must be how often a day a run that crashes is done, such as {TRIES_A_DAY}; 1 for once, {MOST_TRIES} at most."
        )
    return int(said)


@asynccontextmanager
async def trying_again() -> AsyncIterator[None]:
    """Look at what crashed while the block runs. Without DIPTYCH_TRIES_A_DAY nothing is tried again. ConfigError for what is no number of times."""
    looking = asyncio.create_task(_keep_looking(_tries(1)))
    try:
        yield
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking


async def _keep_looking(tries: int) -> None:
    await asyncio.sleep(ALL_TOLD.total_seconds())  # those who could not tell while no server was there do so now
    while True:
        try:
            await _look(tries)
        except Exception:  # such as of a database that is away: runs are looked at when it is back
            log.exception("runs that crashed could not be looked at; next in %g s", LOOKS_EVERY_S)
        await asyncio.sleep(LOOKS_EVERY_S)


async def _look(tries: int) -> None:
    """Look at each run of ours that crashed; one that cannot be looked at keeps no other from it."""
    import sqlalchemy as sa
    from prefect.server.database import provide_database_interface

    db = provide_database_interface()
    run = db.FlowRun
    crashed = sa.select(run.id, run.tags).where(
        run.state_name == "Crashed", run.state_timestamp > datetime.now(UTC) - LOOKS_BACK
    )
    async with db.session_context() as session:
        found = (await session.execute(crashed)).all()
    for identity, tags in found:
        if "diptych" in tags:
            try:
                await _follow(db, identity, tries)
            except Exception:
                log.exception(
                    "the run %s, which crashed, could not be looked at; next in %g s", identity, LOOKS_EVERY_S
                )


async def _follow(db: "PrefectDBInterface", identity: UUID, tries: int) -> None:
    """Have one run wait for a worker, or give it up, where all have told that it crashed and it is nothing else by now."""
    import sqlalchemy as sa
    from prefect.server import models

    state = db.FlowRunState
    async with db.session_context(begin_transaction=True, with_for_update=True) as session:
        its = sa.select(db.FlowRun).where(db.FlowRun.id == identity).with_for_update()
        run = (await session.execute(its)).scalar()
        if run is None or run.state is None or run.state.name != "Crashed":
            return
        why, at = run.state.message or "", run.state.timestamp
        if datetime.now(UTC) - at < ALL_TOLD and not why.endswith(DIED):  # of a worker that died nobody else tells
            return
        taken = sa.select(sa.func.count()).where(
            state.flow_run_id == identity, state.name == "Pending", state.timestamp > at - A_DAY
        )  # by a worker: a crash that is told once more, when it is to be tried again, is none
        times = (await session.execute(taken)).scalar_one()
        goes_on = times < tries and await _can_be_taken(db, session, run)
        await models.flow_runs.set_flow_run_state(
            session=session, flow_run_id=identity, state=_again() if goes_on else _given_up(times, why), force=True
        )


async def _can_be_taken(db: "PrefectDBInterface", session: "AsyncSession", run: "FlowRun") -> bool:
    """Return whether a worker may take a run: its deployment and its pool are still there."""
    return bool(run.work_queue_id and run.deployment_id and await session.get(db.Deployment, run.deployment_id))


def _again() -> "State":
    from prefect.server.schemas.states import AwaitingRetry

    return AwaitingRetry(message=AGAIN)


def _given_up(times: int, why: str) -> "State":
    from prefect.server.schemas.states import State, StateType

    often = f", was tried {times} times within a day," if times > 1 else ""
    return State(
        type=StateType.CRASHED, name=GIVEN_UP, message=f"it crashed{often} and is not tried again by itself: {why}"
    )
