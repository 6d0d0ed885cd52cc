"""Batches from several sources in given shares, whatever the sizes of the sources."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain, count, islice

from components.contracts.errors import ConfigError
from components.data.samplers.epochs import Epochs, cut, shuffled
from components.data.samplers.ordering import Ordering, Rows


class Mixture(Epochs):
    """An endless order in which each source has its share of the rows, spread evenly over the steps.

    A source is gone through whole, in an order of its own, before any row of it comes again: a small source with a large
    share comes more often. An epoch has as many rows as there are, cut to whole batches.

    Args:
        sources: the source of each row.
        shares: source -> its weight against the others; of a sum of 4, a weight of 1 is a quarter.
        batch: rows a batch.
        seed: decides the order of every source.

    Raises ConfigError for a source without a share, a share without rows, a weight that is not above 0, so small a share
    that it has no row in an epoch, and a source with fewer than 4 rows for each but one of its rows in a batch: fewer could
    not be shuffled anew without one of them coming twice in a batch.
    """

    def __init__(self, sources: Sequence[str], shares: Mapping[str, float], batch: int, seed: int) -> None:
        _agree(sources, shares)
        if not 1 <= batch <= len(sources):
            raise ConfigError(
                f"batch is {batch}, but there are {len(sources)} rows. Set batch to {len(sources)} or less in the scale."
            )
        self.rows = {name: [row for row, source in enumerate(sources) if source == name] for name in sorted(shares)}
        self.batch, self.seed, self.steps_per_epoch = batch, seed, len(sources) // batch
        self.slots = spread(apportioned(self.steps_per_epoch * batch, shares))
        self.counts = Counter(self.slots)
        parts = [Counter(self.slots[start : start + batch]) for start in range(0, len(self.slots), batch)]
        self.most = {name: max(part[name] for part in parts) for name in self.rows}
        for name, rows in self.rows.items():
            if len(rows) < 4 * (self.most[name] - 1):
                raise ConfigError(
                    f"source {name!r} has {len(rows)} rows, but its share asks for up to {self.most[name]} of each batch of "
                    f"{batch}, for which it needs {4 * (self.most[name] - 1)}. Lower its share or the batch, or bring more of it."
                )

    def epoch(self, number: int) -> list[list[int]]:
        """Return the batches of one epoch."""
        coming = {name: self._from(name, number * self.counts[name]) for name in self.rows}
        return cut([next(coming[name]) for name in self.slots], self.batch)

    def _from(self, name: str, taken: int) -> "islice[int]":
        """Return the rows of a source after those that were taken."""
        number, behind = divmod(taken, len(self.rows[name]))
        return islice(chain.from_iterable(self._pass(name, one) for one in count(number)), behind, None)

    def _pass(self, name: str, number: int) -> list[int]:
        """Return all rows of a source, in the order of its `number`-th time.

        What ended the time before is put behind the rest of the first half, so that no batch over the border has a row
        twice. The second half stays as it was drawn: so this time depends on the one before, and on no other.
        """
        rows = self.rows[name]
        order, before = (shuffled(rows, self.seed, one, name) for one in (number, number - 1))
        half, last = len(rows) // 2, set(before[len(rows) - self.most[name] + 1 :])
        return sorted(order[:half], key=last.__contains__) + order[half:]


def apportioned(total: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Return how many of `total` rows each source has, by largest remainder; ConfigError where that is none."""
    weights = sum(shares.values())
    exact = {name: total * shares[name] / weights for name in sorted(shares)}
    counts = {name: int(rows) for name, rows in exact.items()}
    behind = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in behind[: total - sum(counts.values())]:
        counts[name] += 1
    for name, rows in counts.items():
        if not rows:
            raise ConfigError(
                f"source {name!r} has a share of {shares[name] / weights:.2g}, which is not one of the {total:,} rows of an "
                f"epoch. Give it {weights / total:.2g} or more of a sum of {weights:g}, or leave it out."
            )
    return counts


def spread(counts: Mapping[str, int]) -> list[str]:
    """Return every source as often as it counts, each spread evenly: any part of the list has about its share of each."""
    places = [((place + 0.5) / rows, name) for name, rows in counts.items() for place in range(rows)]
    return [name for _, name in sorted(places)]


def _agree(sources: Sequence[str], shares: Mapping[str, float]) -> None:
    """Refuse shares that do not fit the sources."""
    there = set(sources)
    for name in sorted(there ^ set(shares)):
        what = "has rows but no share" if name in there else "has a share but no rows"
        raise ConfigError(f"source {name!r} {what}. Give shares for exactly these: {', '.join(sorted(there))}.")
    for name, weight in shares.items():
        if not 0 < weight < float("inf"):
            raise ConfigError(
                f"the share of source {name!r} is {weight}, but must be a number above 0. Leave out its rows for none."
            )


class Mixed(Ordering):
    """Orders by Mixture.

    Args:
        shares: source -> its weight against the others, one for each source that the rows have.
    """

    def __init__(self, shares: dict[str, float]) -> None:
        self.shares = shares

    def order(self, rows: Rows, batch: int, seed: int) -> Mixture:
        """Return the order; ConfigError where the shares do not fit the sources, or the batch is too large for one."""
        return Mixture(rows.sources, self.shares, batch, seed)
