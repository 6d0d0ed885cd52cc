"""A server that answers is left alone for as long as asking it is dear; one whose process has ended is seen to all the same."""

import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from components.serving.endpoint import Endpoint
from components.serving.gateway.settings import Settings
from components.serving.keeper import LOOK_EVERY_S, PROBED_SHARE, RESTS_S, Keeper, Watched
from components.serving.process import ProcessId


@pytest.mark.parametrize(
    ("took_s", "again_s"), [(0.01, 0.01 / PROBED_SHARE), (0.1, 0.1 / PROBED_SHARE), (30.0, RESTS_S)]
)
def test_a_server_rests_for_as_long_as_its_probe_is_dear(took_s: float, again_s: float) -> None:
    watched = Watched()
    watched.answered(1_000.0, took_s)
    assert watched.rests_until == pytest.approx(1_000.0 + again_s - LOOK_EVERY_S)


def test_what_else_it_is_asked_makes_no_probe_dear() -> None:
    watched = Watched()
    for took_s in (5.0, 0.1, 7.0):
        watched.answered(1_000.0, took_s)
    assert watched.rests_until == pytest.approx(1_000.0 + 0.1 / PROBED_SHARE - LOOK_EVERY_S)


@pytest.fixture
def keeper(workspace: Path) -> Iterator[Keeper]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield Keeper(workspace, Settings(root=workspace), listening)


def test_a_server_that_answered_rests(keeper: Keeper, endpoint: Endpoint) -> None:
    watched, began = Watched(), time.monotonic()
    keeper._look(endpoint, watched, 1_000.0)
    assert 0 < watched.takes_s <= time.monotonic() - began
    assert watched.rests_until == 1_000.0 + min(watched.takes_s / PROBED_SHARE, RESTS_S) - LOOK_EVERY_S


def test_a_server_that_rests_is_asked_nothing_and_one_that_did_not_answer_does_not_rest(
    keeper: Keeper, endpoint: Endpoint
) -> None:
    """Nobody listens where it is said to be, so that whoever asks finds a fault."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        away, watched = replace(endpoint, http=f"127.0.0.1:{bound.getsockname()[1]}"), Watched(rests_until=1_000.0)
        for now, slow in ((999.0, 0), (1_000.0, 1), (1_005.0, 2)):
            keeper._look(away, watched, now)
            assert watched.slow == slow


def test_one_whose_process_has_ended_is_seen_to_though_it_rests(keeper: Keeper, endpoint: Endpoint, capfd) -> None:
    """It is none of those that the workspace serves, so that nothing is started in its place here; what is, is asked at once."""
    with subprocess.Popen(["sleep", "60"]) as gone:
        process = ProcessId.of(gone.pid)
        gone.kill()
    ended, watched = replace(endpoint, process=process, label="ended@1"), Watched(rests_until=1_060.0)
    keeper._look(ended, watched, 1_000.0)
    assert f"ended@1 (process {gone.pid}) does not answer" in capfd.readouterr().out
    assert watched.rests_until <= 1_000.0
