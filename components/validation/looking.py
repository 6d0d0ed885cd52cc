"""Records with what their pictures show, in the order in which they come, decoded once each, by several processes.

`python -m components.validation.looking DESCRIPTOR [faces] [thumbnails]` is such a process: a picture that harms its decoder harms
that one alone, and is told of like any other that cannot be shown.
"""

import base64
import hashlib
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from PIL import Image

from components.contracts.reject import Reject
from components.contracts.sample import Sample
from components.data.faces import FaceFinder
from components.data.seeing import seen_in_order
from components.data.sight import Fatal, Sight, answer
from components.data.thumbnail import small_jpeg
from components.validation.measure import Measured, measure_picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One picture, once looked at.

    Args:
        measured: what was found.
        sha256: of its bytes; empty where there are none.
        thumbnail: a small JPEG of it on white; None where it cannot be decoded, or nobody asked for one.
    """

    measured: Measured
    sha256: str
    thumbnail: bytes | None = field(default=None, repr=False)


class Looking(Sight[Looked]):
    """A look that measures.

    Args:
        faces: whether it looks for these too, which takes far longer than all else.
        thumbnails: whether it makes one.
    """

    def __init__(self, *, faces: bool = False, thumbnails: bool = False) -> None:
        self.faces, self.thumbnails = faces, thumbnails

    @property
    def program(self) -> Sequence[str]:
        """This module, with what is asked for."""
        return ("components.validation.looking", *(word for word in ("faces", "thumbnails") if getattr(self, word)))

    @cached_property
    def _finder(self) -> FaceFinder | None:
        return FaceFinder() if self.faces else None

    def see(self, data: bytes) -> Looked:
        """Decode once, and measure."""
        thumbnails: list[bytes] = []

        def keep(picture: Image.Image) -> None:
            thumbnails.append(small_jpeg(picture))

        measured = measure_picture(data, self._finder, keep if self.thumbnails else None)
        return _looked(data, measured, thumbnails[0] if thumbnails else None)

    def lost(self, data: bytes, fatal: Fatal) -> Looked:
        """Return that it cannot be decoded, and why."""
        return _looked(data, Measured(found=True, intact=True, decodable=False, flaw=fatal.reason, fault=fatal.detail))

    def to_json(self, found: Looked) -> Any:
        """Return its fields, the thumbnail in base64."""
        thumbnail = None if found.thumbnail is None else base64.b64encode(found.thumbnail).decode()
        return {"measured": asdict(found.measured), "sha256": found.sha256, "thumbnail": thumbnail}

    def from_json(self, said: Any) -> Looked:
        """Return what they say."""
        found = said["measured"].items()
        measured: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in found}
        thumbnail = None if said["thumbnail"] is None else base64.b64decode(said["thumbnail"])
        return Looked(measured=Measured(**measured), sha256=said["sha256"], thumbnail=thumbnail)


def look_through(
    records: Iterable[Sample | Reject], looking: Looking, processes: int
) -> Generator[tuple[Sample, Looked] | Reject, None, None]:
    """Yield every record in order, whatever the number of processes, as seen_in_order says; holds a few pictures at a time."""
    seen = seen_in_order(looking, _with_pictures(records), processes)
    with closing(seen):
        for record, looked in seen:
            if isinstance(record, Reject):
                yield record
            else:
                assert looked is not None
                yield record, looked


def _with_pictures(records: Iterable[Sample | Reject]) -> Iterator[tuple[Sample | Reject, bytes | None]]:
    for record in records:
        yield record, None if isinstance(record, Reject) else record.media[0].data


def _looked(data: bytes, measured: Measured, thumbnail: bytes | None = None) -> Looked:
    return Looked(measured=measured, sha256=hashlib.sha256(data).hexdigest(), thumbnail=thumbnail)


if __name__ == "__main__":
    answer(int(sys.argv[1]), Looking(**dict.fromkeys(sys.argv[2:], True)))
