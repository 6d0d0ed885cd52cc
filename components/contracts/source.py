"""Where samples come from. A source knows its pictures, words, licences and splits; it knows nothing of shards."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from components.contracts.progress import Progress
from components.contracts.reject import Reject
from components.contracts.sample import Sample


class Source(Protocol):
    """Gives the same samples in the same order for the same seed, whatever the machine's number of cores."""

    def samples(self, seed: int, progress: Progress) -> Iterator[Sample | Reject]:
        """Yield every record once: a Sample, its split decided by rule from `seed`, or a Reject that says why it is none.

        Tells `progress` after each one is taken. What belongs to no record, such as a film among pictures, is not yielded
        but counted in describe()'s `without`.

        Raises TransientError when a download fails, StaleArtifact when a cached file is not what its digest promises.
        """
        ...

    def describe(self) -> dict[str, object]:
        """Return what source.json keeps of where the data came from, as plain JSON values.

        At least `name`, `designers` (who made pictures -> SPDX licence), `held_out` (the designer never trained on,
        None where there is none) and `languages` (ISO 639-1 codes of the texts): validation holds the rows to them,
        and to `licences` where one designer has several. `splits` says of each split this data allows what it tests,
        `without` of each split or metric that it does not allow, and of whatever was left out, why.
        """
        ...


@runtime_checkable
class Unsplit(Protocol):
    """A source that can also be gone through as it lies, before anything is learned from it."""

    def unsplit(self, progress: Progress) -> Iterator[Sample | Reject]:
        """Yield every record once, all of split `train`, with captions or without; read once. Afterwards describe() is free."""
        ...
