"""`diptych backup FILE`: databases, buckets, passwords and what DVC has cached, in one archive with a digest of each part.

Everything is read while the servers run, each database as of one moment; objects that are written or deleted meanwhile may be in or not.
"""

import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from components.contracts.errors import ConfigError, DataError, DiptychError
from components.contracts.sealed import sha256_of
from components.stages.lock import hold
from components.stages.place import private
from flows.loopback import HOST
from flows.stack.archive import ABOUT, BY_DIGEST, VERSION, Counts, counted, is_its_name, is_plain
from flows.stack.half_written import scratch, written_whole
from flows.stack.objects import BUCKETS, client, fetched
from flows.stack.place import KEYS, USER, Place
from flows.stack.postgres import DATABASES, find_binaries
from flows.stack.restoring import read_restoring
from flows.stack.rows import moment
from flows.stack.seen import read_seen

ALONE = "restore.lock"
"""Held by whoever backs up or restores: what is written meanwhile by the other would be half of something."""


def backup(root: Path, file: Path) -> Counts:
    """Write the archive, whole or not at all; the servers run.

    What one that was killed left, which has passwords, goes first. Raises ConfigError where the servers do not run, the file is there already or its folder is not, or
    a restore is half done; Busy where another backup, or a restore, is under way.
    """
    if not file.parent.is_dir():
        raise ConfigError(f"{file.parent}, where the backup is to lie, is no folder. Make it, or name another place.")
    place = running(root)
    with hold(private(root, "locks") / ALONE, f"a backup or a restore of the servers of {root}"):
        if restoring := read_restoring(place.data):
            raise ConfigError(f"{restoring.says}. Until then a backup would have half of it.")
        with scratch(place.data / "backing-up") as folder:
            if file.exists():
                raise ConfigError(f"{file} is there already. Give the backup another name.")
            with written_whole(file, folder) as partial:  # it has the passwords
                parts, damaged = _written(root, place, partial, folder)
    return replace(counted(parts, file), damaged=tuple(damaged))


def _written(root: Path, place: Place, file: Path, folder: Path) -> tuple[dict[str, str], list[str]]:
    """Write all parts; return name -> sha256 of each, and the files of DVC's cache that are damaged, which are left out.

    Args:
        root: the workspace.
        place: of its servers.
        file: the archive.
        folder: for what is on its way there.
    """
    parts: dict[str, str] = {}
    rows: dict[str, dict[str, str]] = {}
    damaged: list[str] = []
    with tarfile.open(file, "w") as archive:
        for name in DATABASES:
            dump = folder / f"{name}.dump"
            with moment(place, name, DATABASES[name]) as now:
                options = ("--format=custom", "--no-owner", f"--snapshot={now.snapshot}", f"--file={dump}")
                ran(place, "pg_dump", name, *options, owner=DATABASES[name])
                rows[name] = now.digests()
            _add(archive, f"databases/{name}.dump", dump, parts)
        for bucket in BUCKETS:
            for key, data in _objects(place, bucket, folder):
                _add(archive, f"buckets/{bucket}/{key}", data, parts)
        cache = cache_of(root)
        for cached in _cached(cache):
            name = f"cache/{cached.relative_to(cache)}"
            if is_its_name(name, cached):
                _add(archive, name, cached, parts)
            else:  # a restore would refuse all for it
                damaged.append(name)
        _add(archive, KEYS, place.keys, parts)
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        about = {"version": VERSION, "made_at": made_at, "sha256": parts, "rows": rows}
        (folder / ABOUT).write_text(json.dumps(about, indent=2), encoding="utf-8")
        _add(archive, ABOUT, folder / ABOUT, {})
    return parts, damaged


def digests(root: Path) -> dict[str, str]:
    """Return what tells whether two places have the same: sha256 of each object and cached file, and of the rows of each table."""
    place, cache = running(root), cache_of(root)
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory(dir=place.data) as folder:
        for bucket in BUCKETS:
            for key, data in _objects(place, bucket, Path(folder)):
                found[f"buckets/{bucket}/{key}"] = sha256_of(data)
    found |= {f"cache/{one.relative_to(cache)}": sha256_of(one) for one in _cached(cache)}
    for name in DATABASES:
        with moment(place, name, DATABASES[name]) as now:
            found |= {f"databases/{name}/{table}": digest for table, digest in now.digests().items()}
    return found


def running(root: Path) -> Place:
    """Return the place of servers that run. ConfigError where they do not."""
    if read_seen(root) is None:
        raise ConfigError("the servers of this workspace do not run. Start them: diptych up")
    return Place.read(root)


def keys(place: Place, bucket: str) -> Iterator[str]:
    """Yield the key of each object of a bucket."""
    for page in client(place, bucket).get_paginator("list_objects_v2").paginate(Bucket=bucket):
        yield from (one["Key"] for one in page.get("Contents", ()) if one["Key"] != ".ready")


def cache_of(root: Path) -> Path:
    """Return where DVC keeps files by their digest, which may be on another disk."""
    if not (root / ".dvc").is_dir():
        return root / ".dvc" / "cache" / "files"
    from dvc.repo import Repo

    repo = Repo(str(root))
    try:
        return Path(str(repo.cache.local.path)).parent
    finally:
        repo.close()


def ran(place: Place, program: str, database: str, *arguments: str, owner: str = "") -> str:
    """Run a program of PostgreSQL's on a database; return what it prints. DiptychError where it fails.

    Args:
        owner: as whom, by his own password; the administrator unless given.
    """
    binary = find_binaries() / program
    done = subprocess.run(
        [str(binary), f"--host={HOST}", f"--port={place.ports['postgres']}", f"--username={owner or USER}", "--no-password", f"--dbname={database}", *arguments],
        env={**os.environ, "PGPASSWORD": place.passwords[f"postgres-{owner}" if owner else "postgres"]}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise DiptychError(f"{program} of {database} failed: {done.stderr.strip()[-500:]}")
    return done.stdout


def _add(archive: tarfile.TarFile, name: str, file: Path, parts: dict[str, str]) -> None:
    if not is_plain(name):
        raise DataError(
            f"{name!r} cannot be kept in an archive that is restored without trusting its names. Take it away, or call it otherwise."
        )
    member = tarfile.TarInfo(name)
    member.size, member.mode = file.stat().st_size, 0o600
    with file.open("rb") as source:
        archive.addfile(member, source)
    parts[name] = sha256_of(file)


def _objects(place: Place, bucket: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield key and data of each object of a bucket, which is there until the next; of those that went since they were listed, nothing."""
    s3, file = client(place, bucket), folder / "object"
    for key in keys(place, bucket):
        if fetched(s3, bucket, key, file):
            yield key, file


def _cached(cache: Path) -> list[Path]:
    """Return what DVC keeps by its digest, and nothing that it is just writing."""
    return sorted(
        path for path in cache.rglob("*") if path.is_file() and BY_DIGEST.fullmatch(str(path.relative_to(cache)))
    )
