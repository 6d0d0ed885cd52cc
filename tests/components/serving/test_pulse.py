"""A pulse: who beats lives, who is silent hangs, and a keeper who was away blames nobody."""

import asyncio
import os
import time

import pytest

from components.serving import pulse
from components.serving.pulse import PULSE, Pulse, beat


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def kept(clock, monkeypatch):
    kept = Pulse(silent_s=3, start_s=10)
    monkeypatch.setenv(PULSE, str(kept.ours))
    yield kept
    kept.close()


def looks(kept, clock, count, every_s=0.5):
    found = []
    for _ in range(count):
        clock[0] += every_s
        found.append(kept.hangs())
    return found


def test_silence_counts_from_the_last_beat_and_longer_before_the_first(kept, clock):
    assert looks(kept, clock, 20) == [False] * 20  # 10 s of start
    assert looks(kept, clock, 1) == [True]
    asyncio.run(beat())
    assert looks(kept, clock, 7) == [False] * 7
    assert looks(kept, clock, 1) == [True]
    asyncio.run(beat())
    assert looks(kept, clock, 1) == [False]


def test_a_keeper_that_was_away_counts_one_look(kept, clock):
    asyncio.run(beat())
    assert looks(kept, clock, 1) == [False]
    assert looks(kept, clock, 1, every_s=3600) == [False]
    assert looks(kept, clock, 2, every_s=pulse.MOST_A_LOOK_S) == [False, False]
    assert looks(kept, clock, 1) == [True]


def test_a_pipe_that_nobody_reads_holds_nobody(kept):
    asyncio.run(_many(100_000))
    assert not kept.hangs()


async def _many(count):
    for _ in range(count):
        await beat()


def test_without_a_keeper_nothing_is_sent(monkeypatch):
    monkeypatch.delenv(PULSE, raising=False)
    asyncio.run(beat())


def test_ends_are_closed(clock):
    kept = Pulse(3, 10)
    ends = (kept.ours, kept._heard)
    kept.given()
    kept.close()
    for end in ends:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(end)
