"""One thread at a time, also where whoever asked has gone."""

import asyncio
import threading

import pytest

from components.serving.gateway.alone import Alone


def test_a_call_that_nobody_waits_for_any_more_is_still_alone():
    async def scene() -> None:
        alone, begun, go, ran = Alone(), threading.Event(), threading.Event(), []

        def slow() -> None:
            begun.set()
            assert go.wait(30)
            ran.append("slow")

        first = asyncio.ensure_future(alone.call(slow))
        await asyncio.to_thread(begun.wait, 30)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        gone = asyncio.ensure_future(alone.call(lambda: ran.append("gone")))
        second = asyncio.ensure_future(alone.call(lambda: ran.append("second")))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(second), 0.2)
        gone.cancel()
        assert ran == []
        go.set()
        await second
        assert ran == ["slow", "second"], "who went before its turn was not called"

    asyncio.run(scene())


def test_what_goes_wrong_is_its_own():
    async def scene() -> None:
        alone = Alone()

        def wrong() -> None:
            raise ValueError("wrong")

        with pytest.raises(ValueError, match="wrong"):
            await alone.call(wrong)
        assert await alone.call(lambda: 3) == 3

    asyncio.run(scene())
