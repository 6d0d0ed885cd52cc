"""Who makes the vectors of a version: its server, or this process, once its small encoders are open here and were found to answer as it does.

Axes: N samples, D embedding width.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.contracts.errors import CapabilityError, DiptychError
from components.serving.errors import ServerFailed
from components.serving.gateway.upstream import Upstream
from components.serving.odd_samples import odd_pictures, odd_texts

if TYPE_CHECKING:
    from components.serving.gateway.in_process import InProcess

LOG = logging.getLogger("diptych.gateway")
ALIKE = 1e-3  # that a number of a vector may differ by, whoever makes it
ANSWER_S, AGAIN_S = 20.0, 5.0  # that the server has to be held against, and until the next try where it did not answer


class Vectors:
    """They are asked of the server as long as nobody here can make them. Make it on the event loop that asks.

    Args:
        upstream: the server.
        repository: what it serves, where this process is to make them; None where the server makes them all.
    """

    def __init__(self, upstream: Upstream, repository: Path | None = None) -> None:
        self._upstream, self._repository = upstream, repository
        self._here: InProcess | None = None
        self._opening = None if repository is None else asyncio.create_task(self._open(repository))
        self._said = ""

    async def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 [N D] of texts."""
        return await self._by(lambda its: its.embed_text(texts))

    async def embed_image(self, images: Sequence[bytes]) -> np.ndarray:
        """Return float32 [N D] of encoded pictures; RequestRefused names a broken one."""
        return await self._by(lambda its: its.embed_image(images))

    def close(self) -> None:
        """Let go of what is open here."""
        if self._opening is not None:
            self._opening.cancel()
        self._let_go()

    async def _by(self, ask: "Callable[[Upstream | InProcess], Awaitable[np.ndarray]]") -> np.ndarray:
        here = self._here
        if here is not None:
            try:
                return await ask(here)
            except ServerFailed as err:
                if self._here is here and self._repository is not None:  # the first of those that it failed
                    self._let_go()
                    self._say(f"{err}: {err.__cause__}")
                    self._opening = asyncio.create_task(self._open(self._repository, AGAIN_S))
        return await ask(self._upstream)

    async def _open(self, repository: Path, wait_s: float = 0.0) -> None:
        """Open them, again and again where that may yet come right."""
        while True:
            await asyncio.sleep(wait_s)
            try:
                self._here = await self._alike(repository)
                return
            except CapabilityError as err:
                self._say(str(err))
                return
            except (DiptychError, TimeoutError) as err:
                self._say(f"{type(err).__name__}: {err}")
            wait_s = AGAIN_S

    async def _alike(self, repository: Path) -> "InProcess":
        """Return the encoders. Raises what the server and `open_served` do, and CapabilityError where the vectors are others."""
        from components.serving.gateway.in_process import open_served  # with onnx and onnxruntime

        texts, pictures = list(odd_texts().values()), list(odd_pictures().values())

        async def made(its: "Upstream | InProcess") -> np.ndarray:
            return np.concatenate([await its.embed_text(texts), await its.embed_image(pictures)])

        async with asyncio.timeout(ANSWER_S):
            theirs = await made(self._upstream)
        here = await asyncio.to_thread(open_served, repository)
        try:
            ours = await made(here)
            if ours.shape != theirs.shape or not np.allclose(ours, theirs, atol=ALIKE):
                raise CapabilityError("they give other vectors here")
        except BaseException:
            here.close()
            raise
        return here

    def _let_go(self) -> None:
        here, self._here = self._here, None
        if here is not None:
            here.close()

    def _say(self, why: str) -> None:
        if why != self._said:
            LOG.warning(
                "The encoders of %s are asked of its server, and not run in this process: %s",
                self._upstream.address,
                why,
            )
        self._said = why
