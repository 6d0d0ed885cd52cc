"""What every source of a person's own data has: where it lies, here or elsewhere, in which languages, under which licence."""

from abc import ABC, abstractmethod
from collections.abc import Container, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from components.contracts.progress import Progress, silent
from components.contracts.reject import Reject
from components.contracts.sample import Sample
from components.data.sources.own import OwnSamples, counted
from components.data.sources.place import Place
from components.data.sources.record import Records
from components.data.sources.settings import checked_languages


class OwnSource(ABC):
    """Records that lie at a place, as samples.

    Args:
        path: where they lie here.
        url, version, allow_hosts: where they lie elsewhere, as of Place.
        languages: codes of the languages that captions are in, such as [en, de]; without, a caption's is not stated.
        licence: SPDX identifier of what states none.
    """

    name: ClassVar[str]
    """As the catalogue has it."""
    what: ClassVar[str]
    """What source.path is the path of."""
    suffixes: ClassVar[tuple[str, ...]]
    """Of files that are read, where they lie elsewhere."""

    def __init__(
        self,
        path: str,
        url: str | Sequence[str] | None,
        version: str | None,
        allow_hosts: Sequence[str] | None,
        languages: Sequence[str] | None,
        licence: str,
    ) -> None:
        self.languages, self.licence = checked_languages(languages), licence
        self.place = Place(path, self.what, url, version, allow_hosts, self.wants, ", ".join(self.suffixes))
        self._own: OwnSamples | None = None

    def samples(self, seed: int, progress: Progress) -> Iterator[Sample | Reject]:
        """Yield a sample or a reject for each record, in the order in which they lie there, see contracts/source.py.

        What lies elsewhere is fetched first, once, and stays on this disk until the last record is given. Raises DataError when
        there are none, too few to hold some out, or all lack captions, and when one changes meanwhile.
        """
        with self.place.named():
            for one in self._at_hand(progress).as_samples(seed, progress):
                yield self.place.told(one)
        self.forget()

    def unsplit(self, progress: Progress) -> Iterator[Sample | Reject]:
        """Yield them as they lie, see contracts/source.py."""
        with self.place.named():
            for one in self._at_hand(progress).unsplit(progress):
                yield self.place.told(one)
        self.forget()

    def describe(self) -> dict[str, object]:
        """Return what was found, and of what lies elsewhere which version of it."""
        with self.place.named():
            said: dict[str, Any] = (self._own or self._at_hand(silent)).describe()
        stays = {what: counted(names) for what, names in self.place.left_out.items() if names}
        return said | {"without": said["without"] | stays} | self.place.describe()

    def wants(self, name: str) -> bool:
        """Return whether a file of that name is read, of those that lie elsewhere."""
        return PurePosixPath(name).suffix.lower() in self.suffixes

    def named_at(self, here: Path) -> Container[str] | None:
        """Return what the pictures are called that are read, as far as files at a path say so; None for all that are there."""
        return None

    def forget(self) -> None:
        """Remove from this disk what was fetched."""
        self.place.forget()
        if self._own is not None:
            self._own.records.forget()

    @abstractmethod
    def find(self, here: Path) -> Records:
        """Return the records that lie at a path of this disk. DataError when there are none."""

    def _at_hand(self, progress: Progress) -> OwnSamples:
        here = self.place.here(progress, self.named_at)
        if self._own is None:
            self._own = OwnSamples(self.name, here, self.find(here), self.languages, self.licence)
        return self._own
