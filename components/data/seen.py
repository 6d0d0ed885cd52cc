"""What ingest writes down of a picture's bytes, and the process that looks at pictures for it: `python -m components.data.seen DESCRIPTOR`."""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from components.data.pictures import look
from components.data.sight import Fatal, Sight, answer
from components.data.transforms.preprocess import BadImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a picture is.

    Args:
        sha256: hex digest of its encoded bytes.
        pixel_sha256: of size and RGB on white; None where it cannot be decoded, and so are the next two.
        width: pixels.
        height: pixels.
    """

    sha256: str
    pixel_sha256: str | None = None
    width: int | None = None
    height: int | None = None


class Seeing(Sight[Seen]):
    """A look that finds Seen."""

    @property
    def program(self) -> Sequence[str]:
        """This module."""
        return ("components.data.seen",)

    def see(self, data: bytes) -> Seen:
        """Decode, and take the fingerprint."""
        return see(data)

    def lost(self, data: bytes, fatal: Fatal) -> Seen:
        """Return what is known of bytes that cannot be decoded; why is for validation to say."""
        return unseen(data)

    def to_json(self, found: Seen) -> Any:
        """Return its fields."""
        return asdict(found)

    def from_json(self, said: Any) -> Seen:
        """Return what they say."""
        return Seen(**said)


def see(data: bytes) -> Seen:
    """Return what the encoded bytes of a picture are; never fails, whatever they are."""
    try:
        found = look(data)
    except BadImage:
        return unseen(data)
    return Seen(
        sha256=hashlib.sha256(data).hexdigest(), pixel_sha256=found.pixel_sha256, width=found.width, height=found.height
    )


def unseen(data: bytes) -> Seen:
    """Return what is known of bytes that cannot be decoded."""
    return Seen(sha256=hashlib.sha256(data).hexdigest())


if __name__ == "__main__":
    answer(int(sys.argv[1]), Seeing())
