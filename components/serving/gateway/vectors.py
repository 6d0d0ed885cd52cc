"""Who makes the vectors of a version: its server, or this process, once its encoders are open here and were found to answer as it does.

Axes: N samples, D embedding width.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil

from components.contracts.errors import CapabilityError
from components.serving.errors import ServerFailed
from components.serving.gateway.metrics import IN_PROCESS
from components.serving.gateway.stuck import STUCK
from components.serving.gateway.upstream import Upstream
from components.serving.odd_samples import odd_pictures, odd_texts

if TYPE_CHECKING:
    from components.serving.gateway.in_process import InProcess

LOG = logging.getLogger("diptych.gateway")
ALIKE = 0.9999  # the least cosine, as a deploy asks for: parity.MINIMUM, which brings onnxruntime along
ANSWER_S = 20.0  # that the server has to be held against
LONE_TIMES = 2.0  # that a server may be faster with a lone sample, for which it has all cores, or a GPU
AGAIN_S = 5.0  # until the next try where one failed; twice as long each time that one fails in a row
MOST_MB = 1_024  # of both encoders: each worker holds them for each version
SHARE = 1 / 8  # of this machine's memory, at most, for those of one version in all workers
LONGEST_S = 300.0  # of such waits, and how long encoders have to have run until one that fails counts as the first


class Vectors:
    """They are asked of the server as long as this process cannot make them. Make it on the event loop that asks.

    Args:
        upstream: the server.
        repository: what it serves, where this process is to make them; None where the server makes them all.
        label: of the version, for the log.
        may: says whether they may be made here at the moment.
        most_mb: that both encoders may have, in 2**20 bytes.

    Attributes:
        are_open: whether the encoders are open here.
    """

    def __init__(
        self,
        upstream: Upstream,
        repository: Path | None = None,
        label: str = "",
        may: Callable[[], bool] = lambda: True,
        most_mb: float = MOST_MB,
    ) -> None:
        self._upstream, self._repository, self._label = upstream, repository, label
        self._most_mb = most_mb
        self._here: InProcess | None = None
        self._wait_s = AGAIN_S
        self._since = 0.0
        self._said = ""
        self._may = may
        self._opening = None if repository is None else asyncio.create_task(self._open(repository, 0.0))

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
                if self._here is here and self._repository is not None:  # the first of those that it failed
                    self._let_go()
                    if time.monotonic() - self._since > LONGEST_S:
                        self._wait_s = AGAIN_S
                    self._say(f"made by its server again: {err}")
                    self._opening = asyncio.create_task(self._open(self._repository, self._longer()))
        return await ask(self._upstream)

    async def _open(self, repository: Path, wait_s: float) -> None:
        """Open the encoders, again and again where that may yet come right."""
        while True:
            await asyncio.sleep(wait_s)
            try:
                self._here, self._since = await self._alike(repository), time.monotonic()
                IN_PROCESS.inc()
                self._say("made in this process")
                break
            except CapabilityError as err:
                self._say(f"made by its server, not in this process: the encoders cannot be run here: {err}")
                break
            except TimeoutError:
                self._say(f"made by its server, not in this process yet: it has not answered in {ANSWER_S:g} s")
            except Exception as err:
                self._say(f"made by its server, not in this process yet: {type(err).__name__}: {err}")
            wait_s = self._longer()

    async def _alike(self, repository: Path) -> "InProcess":
        """Return the encoders. Raises what the server, `check_runnable` and `open_served` do, ServerFailed where the vectors are others, and CapabilityError where its server is much faster."""
        await asyncio.to_thread(_check, repository, self._most_mb)
        async with asyncio.timeout(ANSWER_S):
            theirs = await _each(self._upstream)
        here = await asyncio.to_thread(_opened, repository)
        try:
            ours = await _each(here)
            if ours.rows.shape != theirs.rows.shape or not (ours.rows * theirs.rows).sum(axis=1).min() >= ALIKE:
                raise ServerFailed("the encoders give other vectors here")
            check_as_fast(ours, theirs)
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


@dataclass(frozen=True, slots=True)
class Made:
    """Vectors of the odd samples, each by itself: who shares a batch changes those of int8.

    Args:
        rows: float32 [N D].
        seconds: of the text and of the picture that were made soonest, by `text` and `picture`.
    """

    rows: np.ndarray
    seconds: Mapping[str, float]


async def _each(by: "Upstream | InProcess") -> Made:
    rows, seconds = list[np.ndarray](), dict[str, float]()
    asks = {"text": (by.embed_text, odd_texts()), "picture": (by.embed_image, odd_pictures())}
    for kind, (ask, samples) in asks.items():
        for sample in samples.values():
            began = time.monotonic()
            rows.append(await ask([sample]))
            seconds[kind] = min(seconds.get(kind, math.inf), time.monotonic() - began)
    return Made(np.concatenate(rows), seconds)


def check_as_fast(ours: Made, theirs: Made) -> None:
    """Raise CapabilityError where a server makes the vector of a lone sample far sooner than a thread here does: it has a GPU, or many cores."""
    for kind, seconds in ours.seconds.items():
        times = seconds / theirs.seconds[kind]
        if times > LONE_TIMES:
            raise CapabilityError(
                f"it makes the vector of a lone {kind} {times:.1f} times as fast, by a GPU or many cores, and more than {LONE_TIMES:g} times count"
            )


def room_mb(workers: int) -> float:
    """Return how many 2**20 bytes both encoders of a version may have in each of so many workers."""
    return min(MOST_MB, SHARE * psutil.virtual_memory().total / 2**20 / workers)


def _check(repository: Path, most_mb: float) -> None:
    """As `check_runnable`, in a thread, and first whether there is room: onnx and onnxruntime, which come along, take time and memory."""
    if sum(one.stat().st_size for one in repository.glob("*_encoder/*/*")) > most_mb * 2**20:
        raise CapabilityError(f"they have more than {most_mb:,.0f} MB together")
    from components.serving.gateway.in_process import check_runnable

    check_runnable(repository)


def _opened(repository: Path) -> "InProcess":
    """As `open_served`, in a thread."""
    from components.serving.gateway.in_process import open_served

    return open_served(repository)
