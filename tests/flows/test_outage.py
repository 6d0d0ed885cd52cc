"""Prefect's server is killed and comes back much later: who died meanwhile is found out, who lives goes on. A real server, by real events."""

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Crashed, Pending, Running

from flows.loopback import bound
from flows.telling.again import tried
from tests.flows.kept_prefect import api_of, kept_prefect
from tests.flows.watched_prefect import WATCHED_S, heard, watched

pytestmark = pytest.mark.timeout(300)
PATIENCE_S = 120.0
BEAT_S = 3.0


def windows(folder: Path) -> set[str]:
    """Return what the server waits for something of, by name; it stands before its own eyes in its database."""
    with closing(sqlite3.connect(f"file:{folder / 'prefect.db'}?mode=ro", uri=True)) as base:
        found = base.execute("SELECT bucketing_key FROM automation_bucket JOIN automation ON automation.id = automation_id WHERE name LIKE '%nothing heard%'")  # fmt: skip
        return {str(key) for (key,) in found}


def test_a_run_that_died_while_the_server_was_away_crashes_and_one_that_lives_does_not(
    tmp_path: Path, until: Callable[..., None]
) -> None:
    folder, swept_s = tmp_path / "prefect", 20
    swept = {
        "PREFECT_SERVER_EVENTS_EXPIRED_BUCKET_BUFFER": f"PT{swept_s}S"
    }  # in place of a minute; it looks for silence every 5 s
    with ExitStack() as left:
        its = left.enter_context(bound())
        left.enter_context(temporary_settings({PREFECT_API_URL: api_of(its)}))
        client = left.enter_context(get_client(sync_client=True))
        with ExitStack() as while_it_is_there:
            with kept_prefect(folder, its, **swept, **tried()) as process:
                server = while_it_is_there.enter_context(watched(client))
                lives, dies = server.run("pods"), server.run("pods")
                for run in (lives, dies):
                    server.says(run, Pending())
                    server.says(run, Running())
                until(lambda: len(windows(folder)) == 2, lambda: windows(folder), PATIENCE_S)
                crashed = server.run("pods")
                assert server.says(crashed, Crashed(), force=True) == "Crashed"
                os.kill(process.pid, 9)
                process.wait()
            time.sleep(WATCHED_S + swept_s + BEAT_S)  # nobody hears anybody for so long
            left.enter_context(kept_prefect(folder, its, **swept, **tried()))
            left.push(while_it_is_there.pop_all())

        def it_crashed() -> bool:
            heard(lives)
            time.sleep(BEAT_S)
            return server.state(dies) == "AwaitingRetry"

        until(it_crashed, lambda: server.history(dies), PATIENCE_S)
        assert server.history(dies)[-2] == ("Crashed", f"nothing was heard of it for {WATCHED_S:g} s: its worker or its machine died")  # fmt: skip
        assert [name for name, _ in server.history(lives)] == ["Scheduled", "Pending", "Running"]
        assert [name for name, _ in server.history(crashed)] == ["Scheduled", "Crashed", "AwaitingRetry"]
        server.says(lives, Completed())
