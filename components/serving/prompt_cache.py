"""The vectors of the prompts that were asked last, so that a set of labels asked again encodes no text again.

A prompt is a template with a label in it; its text alone says what its vector is. This file stands alone (numpy,
nothing of ours): the exporter copies it, as it is, beside the served classifier.
Axes: P prompts, D embedding width.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

import numpy as np


class PromptCache:
    """Least recently asked goes first.

    Args:
        capacity: prompts kept; at least as many as one request may have, so that asked twice it is encoded once.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._rows: OrderedDict[str, np.ndarray] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    async def rows(
        self, prompts: Sequence[str], encode: Callable[[list[str]], Awaitable[np.ndarray]]
    ) -> tuple[np.ndarray, int]:
        """Return float32 [P D], and how many different prompts `encode` had to be asked for.

        What `encode` raises is passed on; nothing is kept of that request then.
        """
        found = {prompt: self._rows[prompt] for prompt in prompts if prompt in self._rows}
        missing = [prompt for prompt in dict.fromkeys(prompts) if prompt not in found]
        if missing:
            rows = await encode(missing)
            found |= zip(missing, map(np.copy, rows), strict=True)  # a row alone, which keeps no others in memory
        for prompt, row in found.items():
            self._rows[prompt] = row
            self._rows.move_to_end(prompt)
        while len(self._rows) > self.capacity:
            self._rows.popitem(last=False)
        return np.stack([found[prompt] for prompt in prompts]), len(missing)
