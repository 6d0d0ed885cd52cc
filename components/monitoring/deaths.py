"""Who died behind the gateway since the last look, as its keeper wrote it down: workers, the server, servers beside it.

The log is read on from where the last look ended, through the file that was put aside where it had grown too large.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from components.serving.record import gateway_log

_SAID = re.compile(
    rb"^(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) keeper: (?:(?P<worker>a worker ended with code .*?);"
    rb"|(?P<server>\S+ \(process \d+\) does not answer: .*)|(?P<beside>\S+, beside the champion, has ended);)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a look ended: file, by its number, and bytes of it that were read."""

    inode: int = 0
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """What was written of one.

    Args:
        at: when.
        of: `worker`, `server` or `beside`.
        says: the keeper's words.
    """

    at: datetime
    of: str
    says: str


def deaths(root: Path, before: Place | None, since: datetime) -> tuple[list[Death], Place]:
    """Return who died, and where the next look goes on.

    Args:
        root: of the workspace.
        before: where the last look ended; None for the first.
        since: what was written before it is not told, though it was not read yet.
    """
    before = before or Place()
    log = gateway_log(root)
    lines, aside = list[bytes](), log.with_suffix(".log.1")
    if _inode(log) != before.inode and _inode(aside) == before.inode != 0:
        lines += _read(aside, before.offset)[0]
    start = before.offset if _inode(log) == before.inode else 0
    inode = _inode(log)
    new, end = _read(log, start)
    found = [death for line in (*lines, *new) if (death := _death(line)) is not None and death.at >= since]
    return found, Place(inode=inode, offset=end)


def _death(line: bytes) -> Death | None:
    said = _SAID.match(line)
    if said is None:
        return None
    of = next(name for name in ("worker", "server", "beside") if said[name] is not None)
    at = datetime.strptime(said["at"].decode(), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return Death(at=at, of=of, says=said[of].decode("utf-8", "replace")[:300])


def _read(path: Path, start: int) -> tuple[list[bytes], int]:
    """Return the whole lines from there on, and where they end."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(start if start <= size else 0)  # it may have been emptied
            begin = file.tell()
            text = file.read()
    except FileNotFoundError:
        return [], 0
    whole = text[: text.rfind(b"\n") + 1]
    return whole.splitlines(), begin + len(whole)


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0
