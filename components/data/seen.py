"""What ingest writes down of a picture's bytes, and the process that looks at pictures for it.

    python -m components.data.seen DESCRIPTOR

takes lists of pictures from a line to whoever started it, answers each with what it saw, and ends with the line. It answers in JSON:
whoever started it trusts no objects from a process that has hostile pictures in its hands.
"""

import hashlib
import json
import sys
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection

from components.data.pictures import look
from components.data.processes import leave_with_line
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


def main(descriptor: int) -> None:
    """Answer what comes through the line until it ends, on either side of an answer."""
    leave_with_line(descriptor)
    line = Connection(descriptor)
    while True:
        try:
            pictures: list[bytes] = line.recv()
            line.send_bytes(json.dumps([asdict(see(data)) for data in pictures]).encode())
        except (EOFError, ConnectionResetError, BrokenPipeError):
            return


if __name__ == "__main__":
    main(int(sys.argv[1]))
