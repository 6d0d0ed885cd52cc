"""Faces blurred by processes that a picture may harm: `python -m components.data.blurring DESCRIPTOR` is one of them."""

import base64
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from components.data.blur import blurred
from components.data.faces import FaceFinder
from components.data.sight import Fatal, Sight, answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Blurred:
    """What became of a picture.

    Args:
        data: the picture with its faces blurred; None where no face is seen, or the bytes are no picture.
        suffix: of the file that it would be.
        fatal: how it ended the process that looked for faces, so that nobody knows whether it has one.
    """

    data: bytes | None = field(default=None, repr=False)
    suffix: str = ""
    fatal: Fatal | None = None


class Blurring(Sight[Blurred]):
    """A look that gives a picture back without the faces in it."""

    @property
    def program(self) -> Sequence[str]:
        """This module."""
        return ("components.data.blurring",)

    @cached_property
    def _finder(self) -> FaceFinder:
        return FaceFinder()

    def see(self, data: bytes) -> Blurred:
        """Look for faces, and blur those that are seen."""
        found = blurred(data, self._finder)
        return Blurred() if found is None else Blurred(data=found[0], suffix=found[1])

    def lost(self, data: bytes, fatal: Fatal) -> Blurred:
        """Return how it ended."""
        return Blurred(fatal=fatal)

    def to_json(self, found: Blurred) -> Any:
        """Return its fields, the picture in base64."""
        data = None if found.data is None else base64.b64encode(found.data).decode()
        return {"data": data, "suffix": found.suffix, "fatal": None if found.fatal is None else asdict(found.fatal)}

    def from_json(self, said: Any) -> Blurred:
        """Return what they say."""
        data = None if said["data"] is None else base64.b64decode(said["data"])
        fatal = None if said["fatal"] is None else Fatal(**said["fatal"])
        return Blurred(data=data, suffix=said["suffix"], fatal=fatal)


if __name__ == "__main__":
    answer(int(sys.argv[1]), Blurring())
