"""Who makes the vectors of a version: its server, or this process, once its encoders are open here and were found to answer as it does.

Axes: N samples, D embedding width.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.contracts.errors import CapabilityError, TransientError
from components.serving.errors import ServerFailed
from components.serving.gateway.against import ANSWER_S, Against, ServerIsSooner
from components.serving.gateway.metrics import IN_PROCESS
from components.serving.gateway.room import MB, TO_OPEN, Room, free_mb
from components.serving.gateway.stuck import STUCK
from components.serving.gateway.turn import turn
from components.serving.gateway.upstream import Upstream
from components.serving.health import TEXT

if TYPE_CHECKING:
    from components.serving.gateway.in_process import InProcess

LOG = logging.getLogger("diptych.gateway")
AGAIN_S = 5.0  # until the next try where one failed; twice as long each time that one fails in a row
SOONER_TIMES = 3  # in a row that a server is found to be far sooner, LONGEST_S apart, until it is not held against this process again
OPENS_S = (
    600.0  # that encoders may take to be opened: of the largest that are, on a slow disk and processor, it is a part
)
LONGEST_S = 300.0  # of such waits, and how long encoders have to have run until one that fails counts as the first


class NeverOpened(CapabilityError):
    """A thread that opens encoders may never end."""


class Vectors:
    """They are asked of the server as long as this process cannot make them. Make it on the event loop that asks.

    Args:
        upstream: the server.
        repository: what it serves.
        room: for its encoders here; None where the server makes them all.
        label: of the version, for the log.
        may: says whether they may be made here at the moment.
        folder: that all workers share, in which one at a time opens encoders; None where there is no other.

    Attributes:
        are_open: whether the encoders are open here.
    """

    def __init__(
        self,
        upstream: Upstream,
        repository: Path,
        room: Room | None,
        label: str = "",
        may: Callable[[], bool] = lambda: True,
        folder: Path | None = None,
    ) -> None:
        self._upstream, self._repository, self._room, self._label = upstream, repository, room, label
        self._here: InProcess | None = None
        self._wait_s = AGAIN_S
        self._since = 0.0
        self._said = ""
        self._may = may
        self._folder = folder
        self._sooner = 0
        self._opening = None if room is None else asyncio.create_task(self._open(room, 0.0))

    @property
    def are_open(self) -> bool:
        """Return whether the encoders are open in this process."""
        return self._here is not None

    @property
    def here(self) -> bool:
        """Return whether they are made in this process now."""
        return self._here is not None and self._may()

    async def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 [N D] of texts."""
        return await self._made(lambda by: by.embed_text(texts))

    async def embed_image(self, images: Sequence[bytes]) -> np.ndarray:
        """Return float32 [N D] of encoded pictures; RequestRefused names a broken one."""
        return await self._made(lambda by: by.embed_image(images))

    def close(self) -> None:
        """Let go of what is open here."""
        if self._opening is not None:
            self._opening.cancel()
        self._let_go()

    async def _made(self, ask: "Callable[[Upstream | InProcess], Awaitable[np.ndarray]]") -> np.ndarray:
        """Return what is asked of this process or, where it cannot, of the server. Raises RequestRefused, which is the client's own fault, and what the server raises."""
        here = self._here
        if here is not None and here.is_stuck():
            self._let_go()
            self._say(
                "made by its server, as long as this process lives: the encoders have been at a batch for too long"
            )
            STUCK.set()
        elif here is not None and self._may():
            try:
                return await ask(here)
            except ServerFailed as err:
                if self._here is here and self._room is not None:  # the first of those that it failed
                    self._let_go()
                    if time.monotonic() - self._since > LONGEST_S:
                        self._wait_s = AGAIN_S
                    self._say(f"made by its server again: {err}")
                    self._opening = asyncio.create_task(self._open(self._room, self._longer()))
        return await ask(self._upstream)

    async def _open(self, room: Room, wait_s: float) -> None:
        """Open the encoders, again and again where that may yet come right."""
        while True:
            await asyncio.sleep(wait_s)
            try:
                self._here, self._since, self._sooner = await self._alike(room), time.monotonic(), 0
                IN_PROCESS.inc()
                self._say("made in this process")
                break
            except ServerIsSooner as err:
                self._sooner += 1
                if self._sooner == SOONER_TIMES:
                    self._say(f"made by its server, not in this process: {err}")
                    break
                self._say(f"made by its server, not in this process yet: {err}")
                self._wait_s = LONGEST_S  # what kept this process busy, if that is why, may have ended by then
            except NeverOpened as err:
                self._say(f"made by its server, as long as this process lives: {err}")
                STUCK.set()
                break
            except CapabilityError as err:
                self._say(f"made by its server, not in this process: {err}")
                break
            except TimeoutError:
                self._say(f"made by its server, not in this process yet: it has not answered in {ANSWER_S:g} s")
            except Exception as err:
                self._say(f"made by its server, not in this process yet: {type(err).__name__}: {err}")
            wait_s = self._longer()

    async def _alike(self, room: Room) -> "InProcess":
        """Return the encoders. Raises what the server, `_check`, `open_served` and `Against` do, and NeverOpened where to open them takes too long."""
        await asyncio.to_thread(_check, self._repository, room)
        async with asyncio.timeout(ANSWER_S):
            await self._upstream.embed_text([TEXT])  # who does not answer is held against nothing
        held = contextlib.nullcontext() if self._folder is None else await turn(self._folder)
        here = await _opened_in_time(self._repository, room, held)
        try:
            (await Against.of(self._upstream, here)).check()
        except BaseException:
            here.close()
            raise
        return here

    def _longer(self) -> float:
        wait_s, self._wait_s = self._wait_s, min(2 * self._wait_s, LONGEST_S)
        return wait_s

    def _let_go(self) -> None:
        here, self._here = self._here, None
        if here is not None:
            IN_PROCESS.dec()
            here.close()

    def _say(self, what: str) -> None:
        if what != self._said:
            LOG.warning("Vectors of %s (%s) are %s", self._label, self._upstream.address, what)
        self._said = what


def _check(repository: Path, room: Room) -> None:
    """As `check_runnable`, in a thread, and first whether there is room: onnxruntime, which comes along, takes time and memory. TransientError where there may be later."""
    has_mb = sum(one.stat().st_size for one in repository.glob("*_encoder/*/*")) / MB
    if has_mb > room.mb:
        raise CapabilityError(
            f"the encoders have {has_mb:,.0f} MB together, and {room.mb:,.0f} are a worker's part of this machine's memory for a version"
        )
    if (free := free_mb()) < TO_OPEN * has_mb:
        raise TransientError(
            f"of memory {free:,.0f} MB are free, and to open encoders of {has_mb:,.0f} takes {TO_OPEN} times as much"
        )
    from components.serving.gateway.in_process import check_runnable

    check_runnable(repository)


async def _opened_in_time(repository: Path, room: Room, held: AbstractContextManager[object]) -> "InProcess":
    """As `_opened`, in a thread of its own. Raises NeverOpened where that takes OPENS_S.

    Nothing ends the thread, also where whoever waits is cancelled, since its version is replaced; so its time is bounded by itself.
    """
    loop = asyncio.get_running_loop()
    threads = ThreadPoolExecutor(1, "opening")  # for those of the loop's own executor its end waits
    opening = loop.run_in_executor(threads, _opened, repository, room, held)
    threads.shutdown(wait=False)
    too_long = loop.call_later(OPENS_S, STUCK.set)  # it holds the turn of all workers
    opening.add_done_callback(lambda _: too_long.cancel())
    try:
        await asyncio.wait({opening}, timeout=OPENS_S)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_unused)
        raise
    if not opening.done():
        opening.add_done_callback(_close_unused)
        raise NeverOpened(f"to open the encoders has taken {OPENS_S:g} s, and has not ended")
    return opening.result()


def _close_unused(opening: "asyncio.Future[InProcess]") -> None:
    """Let go of encoders for which nobody waits any more."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _opened(repository: Path, room: Room, held: AbstractContextManager[object]) -> "InProcess":
    """As `_check` and `open_served`, in a thread that lets go of what is held when it has done so: whoever waits for it may be cancelled."""
    with held:
        _check(repository, room)
        from components.serving.gateway.in_process import open_served

        return open_served(repository, room.threads)
