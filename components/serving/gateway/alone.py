"""Calls that run in threads, one at a time, whoever has gone that asked for them: for what is not for several threads at once."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Alone:
    """A queue of calls of one event loop, the next of which begins once the one before has ended."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def call(self, do: Callable[[], T]) -> T:
        """Return what `do` returns, and raise what it raises. Who goes before its turn has come is not called at all; a call that has begun is not followed by another before it ends."""
        await self._lock.acquire()
        called = asyncio.ensure_future(asyncio.to_thread(do))
        called.add_done_callback(self._ended)
        return await asyncio.shield(called)

    def _ended(self, called: "asyncio.Future[Any]") -> None:
        self._lock.release()
        if not called.cancelled():
            called.exception()  # whoever asked may have gone; what nobody takes is no fault for the log
