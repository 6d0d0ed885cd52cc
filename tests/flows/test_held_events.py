"""What Prefect's server holds of each run that a watchdog has heard of is needed for minutes, and it lets it go by itself. A real server, as it is everywhere."""

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.loopback import bound
from tests.flows.kept_prefect import api_of, kept_prefect
from tests.flows.watched_prefect import watched

pytestmark = pytest.mark.timeout(300)


def held(base: sqlite3.Connection) -> list[str]:
    return [key for (key,) in base.execute("SELECT bucketing_key FROM automation_held_event")]


def hold(base: sqlite3.Connection, key: str, ago: str) -> None:
    """Put a row there as the server does for a watchdog, but so long ago."""
    (automation,) = base.execute("SELECT id FROM automation WHERE name LIKE '%nothing heard%'").fetchone()
    base.execute(
        "INSERT INTO automation_held_event (id, created, updated, automation_id, trigger_id, bucketing_key, event_id, occurred) "
        "VALUES (?, datetime('now', ?), datetime('now', ?), ?, ?, ?, ?, datetime('now', ?))",
        (str(uuid4()), ago, ago, automation, str(uuid4()), f'["{key}"]', str(uuid4()), ago),
    )


def test_what_was_held_an_hour_ago_goes_and_what_was_just_now_stays(tmp_path: Path, until: Callable[..., None]) -> None:
    folder = tmp_path / "prefect"
    with ExitStack() as left:
        its = left.enter_context(bound())
        left.enter_context(temporary_settings({PREFECT_API_URL: api_of(its)}))
        left.enter_context(kept_prefect(folder, its))
        left.enter_context(watched(left.enter_context(get_client(sync_client=True))))
        base = left.enter_context(closing(sqlite3.connect(folder / "prefect.db", timeout=30)))
        hold(base, "old", "-1 hour")
        hold(base, "new", "-1 second")
        base.commit()
        until(lambda: held(base) == ['["new"]'], lambda: held(base))
