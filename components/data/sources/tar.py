"""Members of a tar that anybody may have made: read in one sweep, nothing followed, nothing run, nothing lost in silence.

Why not tarfile.open: it stops without a word at the first header that is damaged, reads a header as long as its maker
likes into memory, and keeps every member. Headers are parsed by tarfile's own TarInfo, one block at a time.
"""

import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from components.data.sources.files import printable
from components.data.sources.packed import Bytes, opened

BLOCK = tarfile.BLOCKSIZE
MAX_HEADER_BYTES = 2**20  # of a long name or of pax records
_PAX = re.compile(rb"(\d{1,7}) ([^=]+)=")
_FILES = tarfile.REGULAR_TYPES  # sparse files are among them, and are refused below
_LONG_NAME = tarfile.GNUTYPE_LONGNAME
_BESIDE = (tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK)  # they say of other members what is not needed here


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of a tar.

    Args:
        name: as the tar has it, without a leading ./ and as text that any file can hold.
        size_bytes: as its header says.
        data: its bytes; None where they were not wanted.
        offset: where its bytes begin in the tar, unpacked.
    """

    name: str
    size_bytes: int
    data: bytes | None = field(repr=False, default=None)
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What was not read, or where reading had to end.

    Args:
        name: of the member; empty where the tar is meant, but for the member that it ends in.
        reason: path_escape, symlink or no_picture (too large) of a member; shard_truncated or all_bad_shard of the tar.
        detail: what was found.
    """

    name: str
    reason: str
    detail: str


def read_tar(path: Path, wanted: Callable[[str], int]) -> Iterator[Member | Refused]:
    """Yield what a tar holds, in order; holds one member's bytes at a time.

    Args:
        wanted: member's name -> how many bytes of it are read at the most; 0 leaves it closed, and its data None.

    A tar that is cut short or damaged gives the members before that place, then a Refused; so does one that is packed (gzip,
    Zstandard), whose sum is compared once all is read. Tars one after the other in a file are read as one. OSError when the
    file cannot be read.
    """
    with opened(path) as held:
        yield from _members(held, wanted)


def _members(held: Bytes, wanted: Callable[[str], int]) -> Iterator[Member | Refused]:
    at, closed, long_name, pax = 0, False, None, dict[str, bytes]()
    while block := held.read_at(at, BLOCK):
        if len(block) == BLOCK and not any(block):  # the end, unless another tar follows
            closed, at = True, at + BLOCK
            continue
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.HeaderError, ValueError) as err:
            yield _no_header(block, at, held, err)
            return
        start, size = at + BLOCK, _size(info, pax)
        name = _name(info, long_name, pax)
        kind = info.type
        if size < 0 or (held.size is not None and size > held.size - start):
            yield _cut_within(name, start + max(size, 0), held)
            return
        closed = False
        at = (
            start + -(-size // BLOCK) * BLOCK
            if kind not in (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE)
            else start
        )
        if kind in (_LONG_NAME, tarfile.XHDTYPE):
            if size > MAX_HEADER_BYTES:
                yield Refused(name="", reason="shard_truncated", detail=f"a header of {size:,} bytes at byte {start:,}")
                return
            data = held.read_at(start, size)
            long_name, pax = (data, pax) if kind == _LONG_NAME else (long_name, _pax(data))
            continue
        if kind in _BESIDE:
            continue
        sparse = kind == tarfile.GNUTYPE_SPARSE or any(key.startswith("GNU.sparse.") for key in pax)
        long_name, pax = None, {}
        if kind == tarfile.DIRTYPE:
            continue
        fault = _fault(name, kind, sparse)
        limit = wanted(name)
        if fault is None and limit and size > limit:
            fault = ("no_picture", f"{size:,} bytes; at most {limit:,} are read")
        if fault is not None:
            yield Refused(name=name, reason=fault[0], detail=fault[1])
            continue
        its = held.read_at(start, size) if limit else None
        if its is not None and len(its) < size:
            yield _cut_within(name, start + size, held)
            return
        yield Member(name=name, size_bytes=size, data=its, offset=start)
    if not closed or held.fault:
        yield _unclosed(held)


def _cut_within(name: str, should_end: int, held: Bytes) -> Refused:
    detail = f"{name} should end at byte {should_end:,}, and the shard ends at byte {held.end:,}"
    return Refused(name=name, reason="shard_truncated", detail=detail + _because(held))


def _no_header(block: bytes, at: int, held: Bytes, err: Exception) -> Refused:
    if at == 0:
        detail = f"it is no tar; it begins with {block[:16]!r}" + _because(held)
        return Refused(name="", reason="all_bad_shard", detail=detail)
    what = "ends within a header" if len(block) < BLOCK else f"has no header of a member at byte {at:,} ({err})"
    left = f"; {held.end - at:,} bytes were not read" if held.size is not None else ""
    return Refused(name="", reason="shard_truncated", detail=f"the shard {what}{left}" + _because(held))


def _unclosed(held: Bytes) -> Refused:
    if not held.end:
        return Refused(name="", reason="all_bad_shard", detail="the file is empty" if not held.fault else held.fault)
    detail = f"the shard ends at byte {held.end:,} without the empty block that closes a tar; more may have followed"
    return Refused(name="", reason="shard_truncated", detail=held.fault or detail)


def _because(held: Bytes) -> str:
    return f": {held.fault}" if held.fault else ""


def _fault(name: str, kind: bytes, sparse: bool) -> tuple[str, str] | None:
    """Return why a member is not read, whatever it is called for."""
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or re.match(r"[A-Za-z]:", name):
        return "path_escape", "the member's name leads out of the folder it is unpacked in"
    if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        return "symlink", "the member is a link to another file"
    if sparse or kind not in _FILES:
        return "symlink", f"the member is no plain file (type {kind!r}{', sparse' if sparse else ''})"
    return None


def _name(info: tarfile.TarInfo, long_name: bytes | None, pax: dict[str, bytes]) -> str:
    raw = pax.get("path") or long_name
    name = info.name if raw is None else raw.split(b"\0")[0].decode("utf-8", "surrogateescape")
    while name.startswith("./"):
        name = name[2:]
    return printable(name) or "(no name)"


def _size(info: tarfile.TarInfo, pax: dict[str, bytes]) -> int:
    said = pax.get("size", b"")
    return int(said) if said.isdigit() and len(said) < 20 else info.size


def _pax(data: bytes) -> dict[str, bytes]:
    """Return key -> value of pax records (`length key=value` and a line's end); what is no record ends them."""
    records, at = dict[str, bytes](), 0
    while found := _PAX.match(data, at):
        length = int(found[1])
        if length <= found.end() - at or at + length > len(data):
            break
        records[found[2].decode("utf-8", "replace")] = data[found.end() : at + length - 1]
        at += length
    return records
