"""Batches of rows that are about as long, so that few tokens of a batch are padding."""

from collections.abc import Sequence

from components.contracts.errors import ConfigError
from components.data.samplers.epochs import Epochs, cut, shuffled
from components.data.samplers.ordering import Ordering, Rows

WINDOW = 50  # batches


class LengthBatches(Epochs):
    """An endless order in which the rows of a batch are of similar length, and batches of all lengths are mixed.

    Rows are shuffled, sorted by length within windows of many batches, cut into batches, and the batches shuffled: the
    wider the window, the less padding, and the more often the same rows meet. No row comes twice an epoch; fewer than a
    batch are left out, others in every epoch.

    Args:
        lengths: of each row, such as the tokens of its longest caption.
        batch: rows a batch.
        seed: decides the order of every epoch.
        window: batches that are sorted together.

    Raises ConfigError when there are fewer rows than a batch, or a window of none.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int, window: int = WINDOW) -> None:
        if not 1 <= batch <= len(lengths):
            raise ConfigError(
                f"batch is {batch}, but there are {len(lengths)} rows, and a batch has none twice. "
                f"Set batch to {max(len(lengths), 1)} or less in the scale, or bring more data."
            )
        _check(window)
        self.lengths, self.batch, self.seed, self.window = list(lengths), batch, seed, window
        self.steps_per_epoch = len(lengths) // batch

    def epoch(self, number: int) -> list[list[int]]:
        """Return the batches of one epoch."""
        order = shuffled(range(len(self.lengths)), self.seed, number)[: self.steps_per_epoch * self.batch]
        width = self.window * self.batch
        for start in range(0, len(order), width):  # sorting is stable: rows of one length stay shuffled
            order[start : start + width] = sorted(order[start : start + width], key=self.lengths.__getitem__)
        return shuffled(cut(order, self.batch), self.seed, number, "batches")


class ByLength(Ordering):
    """Orders by LengthBatches, the length of a row being the tokens of its longest caption.

    Args:
        window: batches that are sorted together.

    Raises ConfigError for a window of none.
    """

    def __init__(self, window: int = WINDOW) -> None:
        _check(window)
        self.window = window

    def order(self, rows: Rows, batch: int, seed: int) -> LengthBatches:
        """Return the order; ConfigError where there are fewer rows than a batch."""
        return LengthBatches(rows.lengths(), batch, seed, self.window)


def _check(window: int) -> None:
    if window < 1:
        raise ConfigError(f"window is {window}, but at least 1 batch must be sorted. Give 1 or more, such as {WINDOW}.")
