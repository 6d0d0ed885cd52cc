"""When a worker of the gateway opens encoders: one of all at a time, and no more where their server is found to be far sooner."""

import asyncio
import logging
import threading
import time
from itertools import pairwise

import numpy as np

from components.serving.gateway import against
from components.serving.gateway import turn as turns
from components.serving.gateway import vectors as vectors_of_gateway
from components.serving.gateway.in_process import InProcess
from components.serving.gateway.turn import POLL_S
from components.serving.gateway.upstream import Upstream
from components.serving.gateway.vectors import Vectors
from tests.components.serving.gateway.test_in_process import ROOM, made, until


def test_a_server_that_is_found_to_be_sooner_three_times_makes_them_for_good(endpoint, client, caplog, monkeypatch):
    monkeypatch.setattr(vectors_of_gateway, "LONGEST_S", 0.01)
    monkeypatch.setattr(against, "LONE_TIMES", 0.0)
    found = []
    monkeypatch.setattr(
        against.Against, "check", lambda self, check=against.Against.check: found.append(self) or check(self)
    )

    async def scene(vectors):
        await vectors._opening
        assert not vectors.here
        return await vectors.embed_text(["red"])

    with caplog.at_level(logging.WARNING, "diptych.gateway"):
        assert np.array_equal(made(endpoint, endpoint.repository, scene), client.embed_text(["red"]))
    assert len(found) == 3
    said = [record.getMessage().partition(" are ")[2] for record in caplog.records]
    assert all("times as fast, by a GPU or several cores at once, and more than 0 times count" in one for one in said)
    assert said[0].startswith("made by its server, not in this process yet: it makes")
    assert said[-1].startswith("made by its server, not in this process: it makes")


def test_a_server_that_was_sooner_once_is_held_against_again(endpoint, caplog, monkeypatch):
    monkeypatch.setattr(vectors_of_gateway, "LONGEST_S", 0.01)
    times = iter([0.0, *[1e9] * 9])
    monkeypatch.setattr(
        against.Against,
        "check",
        lambda self, check=against.Against.check: (
            monkeypatch.setattr(against, "LONE_TIMES", next(times)) or check(self)
        ),
    )

    async def scene(vectors):
        await vectors._opening
        assert vectors.here

    made(endpoint, endpoint.repository, scene)
    assert len(caplog.records) == 2


def test_one_at_a_time_opens_encoders_and_one_that_is_let_go_of_meanwhile_holds_its_turn_until_it_has(
    endpoint, tmp_path, monkeypatch
):
    opened, begun = vectors_of_gateway._opened, []

    def slowly(*args):
        begun.append(time.monotonic())
        time.sleep(5 * POLL_S)  # as a large one takes
        return opened(*args)

    monkeypatch.setattr(vectors_of_gateway, "_opened", slowly)

    async def play():
        upstream = Upstream(endpoint.http)
        first = Vectors(upstream, endpoint.repository, ROOM, folder=tmp_path)
        await until(lambda: begun)
        others = [Vectors(upstream, endpoint.repository, ROOM, folder=tmp_path) for _ in range(2)]
        first.close()
        await asyncio.wait_for(asyncio.gather(*(one._opening for one in others)), 60)
        assert all(one.here for one in others)
        for one in others:
            one.close()
        await upstream.close()

    asyncio.run(play())
    assert len(begun) == 3
    assert min(later - one for one, later in pairwise(begun)) >= 5 * POLL_S


def test_whoever_waits_too_long_for_its_turn_says_so_and_tries_again(endpoint, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(turns, "WAITS_S", 0.3)
    monkeypatch.setattr(vectors_of_gateway, "AGAIN_S", 0.01)

    async def play():
        upstream = Upstream(endpoint.http)
        held = await turns.turn(tmp_path)
        vectors = Vectors(upstream, endpoint.repository, ROOM, folder=tmp_path)
        await until(lambda: caplog.records)
        held.close()
        await asyncio.wait_for(vectors._opening, 60)
        assert vectors.here
        vectors.close()
        await upstream.close()

    asyncio.run(play())
    assert "TransientError: other encoders have been opened for 0.3 s" in caplog.records[0].getMessage()


def test_where_to_open_them_has_no_end_the_server_answers_and_the_process_is_to_end(
    endpoint, client, caplog, monkeypatch
):
    over = threading.Event()
    monkeypatch.setattr(vectors_of_gateway, "STUCK", threading.Event())
    monkeypatch.setattr(vectors_of_gateway, "OPENS_S", 0.1)
    monkeypatch.setattr(
        vectors_of_gateway,
        "_opened",
        lambda *given, opened=vectors_of_gateway._opened: over.wait(60) and opened(*given),
    )

    async def scene(vectors):
        await vectors._opening
        over.set()
        assert not vectors.here
        return await vectors.embed_text(["red"])

    try:
        assert np.array_equal(made(endpoint, endpoint.repository, scene), client.embed_text(["red"]))
    finally:
        over.set()
    assert vectors_of_gateway.STUCK.is_set()
    (record,) = caplog.records
    assert record.getMessage().endswith(
        "made by its server, as long as this process lives: to open the encoders has taken 0.1 s, and has not ended"
    )


def test_to_open_them_without_end_ends_the_process_also_where_their_version_was_replaced_meanwhile(
    endpoint, tmp_path, monkeypatch
):
    over, closed = threading.Event(), threading.Event()
    monkeypatch.setattr(vectors_of_gateway, "STUCK", threading.Event())
    monkeypatch.setattr(vectors_of_gateway, "OPENS_S", 1.0)
    monkeypatch.setattr(InProcess, "close", lambda self, close=InProcess.close: close(self) or closed.set())
    opened = vectors_of_gateway._opened

    async def play():
        loop = asyncio.get_running_loop()

        def replaced(*given):
            loop.call_soon_threadsafe(lambda: vectors.close())
            over.wait(60)
            return opened(*given)

        monkeypatch.setattr(vectors_of_gateway, "_opened", replaced)
        upstream = Upstream(endpoint.http)
        vectors = Vectors(upstream, endpoint.repository, ROOM, folder=tmp_path)
        await asyncio.wait([vectors._opening], timeout=60)
        assert vectors._opening.cancelled()
        await asyncio.wait_for(until(vectors_of_gateway.STUCK.is_set), 60)
        over.set()
        await asyncio.wait_for(until(closed.is_set), 60)  # if it ends all the same
        (await turns.turn(tmp_path)).close()
        await upstream.close()

    try:
        asyncio.run(play())
    finally:
        over.set()


def test_encoders_whose_version_was_replaced_while_they_were_opened_end_nothing(endpoint, tmp_path, monkeypatch):
    closed = threading.Event()
    monkeypatch.setattr(vectors_of_gateway, "STUCK", threading.Event())
    monkeypatch.setattr(InProcess, "close", lambda self, close=InProcess.close: close(self) or closed.set())
    timers, opened = [], vectors_of_gateway._opened

    async def play():
        loop = asyncio.get_running_loop()
        later = loop.call_later
        monkeypatch.setattr(
            loop,
            "call_later",
            lambda s, do, *given, **more: timers.append((do, later(s, do, *given, **more))) or timers[-1][1],
        )
        monkeypatch.setattr(
            vectors_of_gateway,
            "_opened",
            lambda *given: loop.call_soon_threadsafe(lambda: vectors.close()) and opened(*given),
        )
        upstream = Upstream(endpoint.http)
        vectors = Vectors(upstream, endpoint.repository, ROOM, folder=tmp_path)
        await asyncio.wait_for(until(closed.is_set), 60)
        await upstream.close()

    asyncio.run(play())
    assert [timer.cancelled() for do, timer in timers if do == vectors_of_gateway.STUCK.set] == [True]


def test_the_loop_of_a_process_ends_though_encoders_are_still_being_opened(endpoint, tmp_path, monkeypatch):
    begun, over, ended = threading.Event(), threading.Event(), []
    monkeypatch.setattr(vectors_of_gateway, "_opened", lambda *given: begun.set() or ended.append(over.wait(60)))

    async def play():
        upstream = Upstream(endpoint.http)
        vectors = Vectors(upstream, endpoint.repository, ROOM, folder=tmp_path)
        await asyncio.wait_for(until(begun.is_set), 60)
        vectors.close()
        await upstream.close()

    try:
        asyncio.run(play())
        assert not ended
    finally:
        over.set()


def test_a_disk_that_gives_up_is_tried_again(endpoint, caplog, monkeypatch):
    monkeypatch.setattr(vectors_of_gateway, "STUCK", threading.Event())
    monkeypatch.setattr(vectors_of_gateway, "AGAIN_S", 0.01)
    opened, tries = vectors_of_gateway._opened, []

    def gives_up_once(*given):
        tries.append(given)
        if len(tries) == 1:
            raise TimeoutError(110, "Connection timed out")
        return opened(*given)

    monkeypatch.setattr(vectors_of_gateway, "_opened", gives_up_once)

    async def scene(vectors):
        await vectors._opening
        assert vectors.here

    made(endpoint, endpoint.repository, scene)
    assert len(tries) == 2
    assert not vectors_of_gateway.STUCK.is_set()
