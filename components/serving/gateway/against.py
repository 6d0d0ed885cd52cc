"""Whether encoders that a worker has opened answer as their server does, and soon enough to be asked in its place.

Axes: N samples, D embedding width.
"""

import asyncio
import time
from dataclasses import dataclass
from operator import methodcaller
from typing import TYPE_CHECKING

import numpy as np

from components.contracts.errors import CapabilityError
from components.serving.errors import ServerFailed
from components.serving.gateway.upstream import Upstream
from components.serving.odd_samples import odd_pictures, odd_texts

if TYPE_CHECKING:
    from components.serving.gateway.in_process import InProcess

ALIKE = 0.9999  # the least cosine, as a deploy asks for: parity.MINIMUM, which brings onnxruntime along
ANSWER_S = 20.0  # that the server has for each sample that it is held against
LONE_TIMES = 2.0  # that a server may be faster with a lone sample, for which it has all cores, or a GPU


class ServerIsSooner(CapabilityError):
    """A server makes vectors of a lone sample far sooner than a thread here."""


@dataclass(slots=True)
class Against:
    """What a server and this process make of the odd samples, in turn, each by itself: who shares a batch changes vectors of int8.

    Args:
        theirs, ours: float32 [1 D] of each.
        seconds: of `text` and `picture`, the soonest of theirs and of ours.
    """

    theirs: list[np.ndarray]
    ours: list[np.ndarray]
    seconds: dict[str, tuple[float, float]]

    @classmethod
    async def of(cls, upstream: Upstream, here: "InProcess") -> "Against":
        """Ask both; TimeoutError where the server takes ANSWER_S over one, CapabilityError where this process does."""
        found = cls([], [], {})
        asks = [
            *(("text", methodcaller("embed_text", [one])) for one in odd_texts().values()),
            *(("picture", methodcaller("embed_image", [one])) for one in odd_pictures().values()),
        ]
        for kind, ask in asks:
            began = time.monotonic()
            async with asyncio.timeout(ANSWER_S):
                found.theirs.append(await ask(upstream))
            between = time.monotonic()
            try:
                async with asyncio.timeout(ANSWER_S):
                    found.ours.append(await ask(here))
            except TimeoutError as err:
                raise CapabilityError(f"the encoders have been at one {kind} for {ANSWER_S:g} s") from err
            seconds = between - began, time.monotonic() - between
            known = found.seconds.get(kind, seconds)
            found.seconds[kind] = min(known[0], seconds[0]), min(known[1], seconds[1])
        return found

    def check(self) -> None:
        """Raise ServerFailed where vectors are others, and ServerIsSooner where that is so."""
        theirs, ours = np.concatenate(self.theirs), np.concatenate(self.ours)
        if ours.shape != theirs.shape or not (ours * theirs).sum(axis=1).min() >= ALIKE:
            raise ServerFailed("the encoders give other vectors here")
        for kind, (their_s, our_s) in self.seconds.items():
            if our_s > LONE_TIMES * their_s:
                raise ServerIsSooner(
                    f"it makes that of a lone {kind} {our_s / their_s:.1f} times as fast, by a GPU or several cores at once, and more than {LONE_TIMES:g} times count"
                )
