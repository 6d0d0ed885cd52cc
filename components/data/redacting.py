"""What no stored picture shall have taken out of it, by processes that a picture may harm.

`python -m components.data.redacting DESCRIPTOR [faces] [places]` is one of them.
"""

import base64
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from components.data.blur import blurred
from components.data.faces import FaceFinder
from components.data.placeless import placeless
from components.data.sight import Fatal, Sight, answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """What became of a picture.

    Args:
        data: the picture as it may be stored; None where it may be as it is.
        suffix: of the file that `data` would be.
        gone: what is not in it any more: `face`, `gps`.
        fatal: how it ended the process that looked at it, so that nobody knows what it has.
    """

    data: bytes | None = field(default=None, repr=False)
    suffix: str = ""
    gone: tuple[str, ...] = ()
    fatal: Fatal | None = None


class Redacting(Sight[Redacted]):
    """A look that gives a picture back as it may be stored.

    Args:
        faces: whether faces are blurred.
        places: whether the place where it was taken is removed from its file.
    """

    def __init__(self, *, faces: bool = False, places: bool = False) -> None:
        self.faces, self.places = faces, places

    @property
    def program(self) -> Sequence[str]:
        """This module, with what is asked for."""
        return ("components.data.redacting", *(word for word in ("faces", "places") if getattr(self, word)))

    @cached_property
    def _finder(self) -> FaceFinder:
        return FaceFinder()

    def see(self, data: bytes) -> Redacted:
        """Take out the place, then the faces that are seen."""
        gone, suffix = [], ""
        if self.places and (found := placeless(data)) is not None:
            (data, suffix), gone = found, ["gps"]
        if self.faces and (found := blurred(data, self._finder)) is not None:
            (data, suffix), gone = found, [*gone, "face"]
        return Redacted(data=data, suffix=suffix, gone=tuple(gone)) if gone else Redacted()

    def lost(self, data: bytes, fatal: Fatal) -> Redacted:
        """Return how it ended."""
        return Redacted(fatal=fatal)

    def to_json(self, found: Redacted) -> Any:
        """Return its fields, the picture in base64."""
        data = None if found.data is None else base64.b64encode(found.data).decode()
        return asdict(found) | {"data": data}

    def from_json(self, said: Any) -> Redacted:
        """Return what they say."""
        data = None if said["data"] is None else base64.b64decode(said["data"])
        fatal = None if said["fatal"] is None else Fatal(**said["fatal"])
        return Redacted(data=data, suffix=said["suffix"], gone=tuple(said["gone"]), fatal=fatal)


if __name__ == "__main__":
    answer(int(sys.argv[1]), Redacting(**dict.fromkeys(sys.argv[2:], True)))
