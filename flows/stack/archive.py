"""The archive that `diptych backup` writes: which parts it can have, and whether each is what was written."""

import hashlib
import io
import json
import re
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, TypeGuard

from components.contracts.errors import DataError
from flows.stack.objects import BUCKETS
from flows.stack.place import KEYS
from flows.stack.postgres import DATABASES

ABOUT = "backup.json"
VERSION = 1
BY_DIGEST = re.compile(r"md5/([0-9a-f]{2})/([0-9a-f]{30})(?:\.dir)?")
"""How DVC's cache calls a file, below its folder `files`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What an archive says of itself.

    Args:
        parts: name -> sha256 of each part.
        rows: database -> table -> sha256 of its rows, as of the moment of its dump; empty in archives that were made before that was kept. Some that
            were made later have sequences among the tables, which are held against nothing.
    """

    parts: dict[str, str]
    rows: dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a backup has.

    Args:
        databases, objects, cached: how many of each.
        size_bytes: of the archive.
        damaged: files of DVC's cache that are not the data of their digest, and are not in it.
    """

    databases: int
    objects: int
    cached: int
    size_bytes: int
    damaged: tuple[str, ...] = ()


def verified(file: Path) -> About:
    """Return what an archive has, of which each part is what was written, and where one of ours can be. DataError for another file."""
    seen: dict[str, str] = {}
    said_by: dict[str, Any] = {}
    try:
        with tarfile.open(file, "r:") as archive:  # what is packed could unpack without end
            for member in archive:
                source = archive.extractfile(member) if member.isreg() and not member.issparse() else None
                if source is None or member.name in seen or not _known(member.name):
                    raise DataError(
                        f"{file} has {member.name!r}, which no backup has, or has once. It is none, or was changed."
                    )
                if member.name in (ABOUT, KEYS):
                    written = source.read()
                    said_by[member.name] = json.loads(written)
                    source = io.BytesIO(written)
                if member.name != ABOUT:
                    seen[member.name] = _digest(member.name, source)
    except (tarfile.TarError, ValueError, OSError) as err:
        raise DataError(f"{file} cannot be read as a backup ({type(err).__name__}: {err}).") from err
    about = said_by.get(ABOUT)
    said = about.get("sha256") if isinstance(about, dict) and about.get("version") == VERSION else None
    if not isinstance(about, dict) or not _texts(said):
        raise DataError(f"{file} does not say what it has, so it is no backup, or half of one.")
    differ = sorted({name for name in {*said, *seen} if said.get(name) != seen.get(name)})
    if differ:
        raise DataError(
            f"{file} is not what was written: {differ[0]} and {len(differ) - 1} more differ. Take another backup."
        )
    rows = about.get("rows", {})
    if not (_texts(said_by.get(KEYS, {})) and isinstance(rows, dict) and all(map(_texts, rows.values()))):
        raise DataError(
            f"{file} has passwords or rows that are not said as a backup says them. It is none, or was changed."
        )
    return About(parts=seen, rows=rows)


def _texts(value: Any) -> TypeGuard[dict[str, str]]:
    """Return whether a value of JSON is texts by name."""
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())


def is_its_name(name: str, file: Path) -> bool:
    """Return whether a file of DVC's cache is the data of the digest that it is called by."""
    try:
        with file.open("rb") as source:
            _digest(name, source)
    except DataError:
        return False
    return True


def is_plain(name: str) -> bool:
    """Return whether a name of an archive stays below the folder that it is put into."""
    return not name.startswith("/") and ".." not in Path(name).parts


def counted(parts: dict[str, str], file: Path) -> Counts:
    """Return how much an archive has."""
    kinds = [name.partition("/")[0] for name in parts]
    return Counts(
        databases=kinds.count("databases"), objects=kinds.count("buckets"), cached=kinds.count("cache"), size_bytes=file.stat().st_size
    )  # fmt: skip


def as_line(what: str, counts: Counts, file: Path) -> str:
    """Return one sentence, such as of what was backed up."""
    said = asdict(counts)
    line = f"{what} {file}: {said['databases']} databases, {said['objects']:,} objects, {said['cached']:,} cached files, {said['size_bytes'] / 2**20:,.1f} MB."
    if counts.damaged:
        line += f" {len(counts.damaged):,} files of DVC's cache are not the data of their digest, such as {counts.damaged[0]}, and are not in it: dvc fetch brings them."
    return line


def _known(name: str) -> bool:
    """Return whether a part of that name is put back, and where it should be."""
    kind, _, rest = name.partition("/")
    if kind == "databases":
        return rest in {f"{database}.dump" for database in DATABASES}
    if kind == "buckets":
        return rest.partition("/")[0] in BUCKETS and is_plain(name)
    return name in (ABOUT, KEYS) or (kind == "cache" and BY_DIGEST.fullmatch(rest) is not None)


def _digest(name: str, source: IO[bytes]) -> str:
    """Return the sha256 of a part; DataError for a file of DVC's cache that is another than its name says, as DVC would take it for the data."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    while block := source.read(2**20):
        sha256.update(block)
        md5.update(block)
    if (cached := BY_DIGEST.fullmatch(name.removeprefix("cache/"))) and "".join(cached.groups()) != md5.hexdigest():
        raise DataError(
            f"{name} is not the data of that digest. The archive was changed, or the cache was when it was made: dvc fetch, and back up again."
        )
    return sha256.hexdigest()
