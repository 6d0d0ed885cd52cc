"""Requests that wait for the same model go to it together.

While a call is under way, what comes in waits and goes with the next one: a lone request waits for nobody, and under load the fixed
cost of a call is shared.
Axes: N samples, D embedding width.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import numpy as np

from components.serving.errors import RequestRefused

AT_ONCE = 3  # calls under way: while one is computed, the pictures of the next are decoded, and a third travels
S = TypeVar("S")


class Batcher(Generic[S]):
    """Joins calls of one event loop.

    Args:
        call: takes samples, gives float32 [N D].
        most: samples of one call.
        at_once: calls under way at once.
    """

    def __init__(self, call: Callable[[list[S]], Awaitable[np.ndarray]], most: int, at_once: int = AT_ONCE) -> None:
        self._call = call
        self._most = most
        self._free = at_once
        self._waiting: deque[tuple[list[S], asyncio.Future[np.ndarray]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def rows(self, samples: list[S]) -> np.ndarray:
        """Return float32 [N D]. Raises what `call` raises; RequestRefused only for samples of one's own."""
        loop = asyncio.get_running_loop()
        futures = []
        for start in range(0, len(samples), self._most):
            future: asyncio.Future[np.ndarray] = loop.create_future()
            self._waiting.append((samples[start : start + self._most], future))
            futures.append(future)
        self._send()
        try:
            return np.concatenate(await asyncio.gather(*futures))
        except RequestRefused as err:
            first = next(at for at, one in enumerate(futures) if one.done() and not one.cancelled() and one.exception())
            for one in futures:
                one.cancel()  # nobody waits for those that were not sent yet
            raise RequestRefused(f"{err}{f' (counted from {first * self._most})' if first else ''}") from err

    def _send(self) -> None:
        while self._waiting and self._free:
            batch, size = [], 0
            while self._waiting and size + len(self._waiting[0][0]) <= self._most:
                part, future = self._waiting.popleft()
                if not future.done():  # whoever asked may have gone
                    batch.append((part, future))
                    size += len(part)
            if batch:
                self._free -= 1
                task = asyncio.create_task(self._answer(batch))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _answer(self, batch: list[tuple[list[S], "asyncio.Future[np.ndarray]"]]) -> None:
        try:
            rows = await self._call([sample for part, _ in batch for sample in part])
        except RequestRefused as err:
            if len(batch) == 1:
                _fail(batch[0][1], err)
            else:  # one of them is to blame, so each is asked by itself
                for one in batch:
                    await self._alone(one)
        except Exception as err:
            for _, future in batch:
                _fail(future, err)
        else:
            start = 0
            for part, future in batch:
                if not future.done():
                    future.set_result(rows[start : start + len(part)])
                start += len(part)
        finally:
            self._free += 1
            self._send()

    async def _alone(self, one: tuple[list[S], "asyncio.Future[np.ndarray]"]) -> None:
        part, future = one
        try:
            rows = await self._call(part)
        except Exception as err:
            _fail(future, err)
        else:
            if not future.done():
                future.set_result(rows)


def _fail(future: "asyncio.Future[np.ndarray]", err: Exception) -> None:
    if not future.done():
        future.set_exception(err)
