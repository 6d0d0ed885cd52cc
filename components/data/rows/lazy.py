"""Encoded pictures that are read one by one, when they are asked for: what looks like a tuple of them and holds none."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import overload


class LazyPictures(Sequence[bytes], ABC):
    """Indexes and slices as a tuple does; whoever says where pictures lie says how many there are, and reads one."""

    @abstractmethod
    def read(self, place: int) -> bytes:
        """Return the picture of a place, from 0 and below the length."""

    def start(self, place: int, size: int) -> bytes:
        """Return the first bytes of the picture of a place: what kind of file it is."""
        return self.read(place)[:size]

    def beginnings(self, size: int) -> Iterator[bytes]:
        """Yield the first bytes of each picture, unchecked where they can be had without the rest."""
        return (self.start(place, size) for place in range(len(self)))

    @overload
    def __getitem__(self, place: int) -> bytes: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[bytes, ...]: ...
    def __getitem__(self, place: int | slice) -> bytes | tuple[bytes, ...]:
        if isinstance(place, slice):
            return tuple(self.read(one) for one in range(*place.indices(len(self))))
        if not -len(self) <= place < len(self):
            raise IndexError(f"there is no picture {place} among {len(self):,}")
        return self.read(place % len(self))


class TakenPictures(LazyPictures):
    """Pictures of other sequences, in an order of their own.

    Args:
        places: of each, among which pictures and where.
    """

    def __init__(self, places: Sequence[tuple[Sequence[bytes], int]]) -> None:
        self.places = tuple(places)

    def __len__(self) -> int:
        return len(self.places)

    def read(self, place: int) -> bytes:
        """Read it where it is."""
        pictures, at = self.places[place]
        return pictures[at]

    def start(self, place: int, size: int) -> bytes:
        """Ask where it is."""
        pictures, at = self.places[place]
        return pictures.start(at, size) if isinstance(pictures, LazyPictures) else pictures[at][:size]
