"""`diptych backup FILE` and `diptych restore FILE`: databases, buckets, passwords and what DVC has cached, in one archive with a digest of each part.

Everything is read while the servers run, each database as of one moment; objects that are written meanwhile may be in or not.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from components.contracts.errors import ConfigError, DataError, DiptychError
from components.contracts.sealed import sha256_of
from flows.loopback import HOST
from flows.stack.objects import BUCKETS, client
from flows.stack.place import KEYS, USER, Place, write_private
from flows.stack.postgres import DATABASES, find_binaries
from flows.stack.prefect_set_up import DEPLOYED
from flows.stack.seen import read_seen
from flows.stack.up import end, up

ABOUT = "backup.json"
VERSION = 1
_BY_DIGEST = re.compile(r"md5/([0-9a-f]{2})/([0-9a-f]{30})(?:\.dir)?")
_THEIRS = ("prefect", "mlflow", "mlflow-forms", "webhooks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a backup has.

    Args:
        databases, objects, cached: how many of each.
        size_bytes: of the archive.
    """

    databases: int
    objects: int
    cached: int
    size_bytes: int


def backup(root: Path, file: Path) -> Counts:
    """Write the archive, whole or not at all; the servers run. ConfigError where they do not, or the file is there already."""
    place = _running(root)
    if file.exists():
        raise ConfigError(f"{file} is there already. Give the backup another name.")
    partial = file.with_name(f"{file.name}.{os.getpid()}")
    parts: dict[str, str] = {}
    try:
        partial.touch(mode=0o600)  # it has the passwords
        with tarfile.open(partial, "w") as archive, tempfile.TemporaryDirectory(dir=place.data) as scratch:
            for name in DATABASES:
                dump = Path(scratch) / f"{name}.dump"
                _ran(place, "pg_dump", name, "--format=custom", "--no-owner", f"--file={dump}")
                _add(archive, f"databases/{name}.dump", dump, parts)
            for bucket in BUCKETS:
                for key in _keys(place, bucket):
                    _add(archive, f"buckets/{bucket}/{key}", _fetched(place, bucket, key, Path(scratch)), parts)
            for cached in _cached(root):
                _add(archive, f"cache/{cached.relative_to(_cache(root))}", cached, parts)
            _add(archive, KEYS, place.keys, parts)
            about = {"version": VERSION, "made_at": datetime.now(UTC).isoformat(timespec="seconds"), "sha256": parts}
            (Path(scratch) / ABOUT).write_text(json.dumps(about, indent=2), encoding="utf-8")
            _add(archive, ABOUT, Path(scratch) / ABOUT, {})
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return _counted(parts, file)


def restore(root: Path, file: Path) -> Counts:
    """Put everything of an archive into the servers that run, in the place of what they have, and start them anew.

    Whoever had a password of Prefect or MLflow has it again, since MLflow keeps its users, and what it encrypted, by these; databases and
    buckets keep the passwords of here.

    Nothing is changed before every part has been found to be what was written. Raises DataError for an archive that is not, or no backup;
    ConfigError where the servers do not run, or have models or runs of flows that the archive would take away.
    """
    place, seen = _running(root), read_seen(root)
    assert seen is not None
    parts = verified(file)
    if lost := _in_use(place):
        raise ConfigError(
            f"the servers here have {lost} already, which a restore could take away. Restore into new ones: diptych down, diptych up --data DIR"
        )
    with tarfile.open(file, "r:") as archive, tempfile.TemporaryDirectory(dir=place.data) as scratch:
        for member in archive:
            kind, _, name = member.name.partition("/")
            source = archive.extractfile(member)
            if source is None:
                continue
            if kind == "databases":
                dump = Path(scratch) / "dump"
                with dump.open("wb") as file_of:
                    shutil.copyfileobj(source, file_of)
                database = name.removesuffix(".dump")
                options = (
                    "--clean",
                    "--if-exists",
                    "--no-owner",
                    f"--role={DATABASES[database]}",
                    "--single-transaction",
                )
                _ran(place, "pg_restore", database, *options, str(dump))
            elif kind == "buckets":
                bucket, _, key = name.partition("/")
                client(place, bucket).upload_fileobj(source, bucket, key)
            elif kind == "cache":
                _put_back(root, name, source)
            elif member.name == KEYS:
                theirs = json.loads(source.read())
                write_private(
                    place.keys,
                    json.dumps({**place.passwords, **{name: theirs[name] for name in _THEIRS}}, indent=2) + "\n",
                )
    (place.data / DEPLOYED).unlink(missing_ok=True)  # deployments name the folder that they work in
    left_out = seen.without
    end(root)
    up(root, without=left_out, say=lambda said: None)
    return _counted(parts, file)


def digests(root: Path) -> dict[str, str]:
    """Return what tells whether two places have the same: sha256 of each object and cached file, and of the rows of each table."""
    place = _running(root)
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory(dir=place.data) as scratch:
        for bucket in BUCKETS:
            for key in _keys(place, bucket):
                found[f"buckets/{bucket}/{key}"] = sha256_of(_fetched(place, bucket, key, Path(scratch)))
    found |= {f"cache/{one.relative_to(_cache(root))}": sha256_of(one) for one in _cached(root)}
    for name in DATABASES:
        said = _ran(place, "pg_dump", name, "--data-only", "--inserts", "--no-owner")
        rows = sorted(line for line in said.splitlines() if line.startswith("INSERT"))
        found[f"databases/{name}"] = _sha256("\n".join(rows).encode())
    return found


def _running(root: Path) -> Place:
    seen = read_seen(root)
    if seen is None:
        raise ConfigError("the servers of this workspace do not run. Start them: diptych up")
    return Place.read(root)


def _add(archive: tarfile.TarFile, name: str, file: Path, parts: dict[str, str]) -> None:
    if not _plain(name):
        raise DataError(
            f"{name!r} cannot be kept in an archive that is restored without trusting its names. Take it away, or call it otherwise."
        )
    member = tarfile.TarInfo(name)
    member.size, member.mode = file.stat().st_size, 0o600
    with file.open("rb") as source:
        archive.addfile(member, source)
    parts[name] = sha256_of(file)


def _plain(name: str) -> bool:
    return not name.startswith("/") and ".." not in Path(name).parts


def _keys(place: Place, bucket: str) -> Iterator[str]:
    for page in client(place, bucket).get_paginator("list_objects_v2").paginate(Bucket=bucket):
        yield from (one["Key"] for one in page.get("Contents", ()) if one["Key"] != ".ready")


def _fetched(place: Place, bucket: str, key: str, scratch: Path) -> Path:
    file = scratch / "object"
    client(place, bucket).download_file(bucket, key, str(file))
    return file


def _cache(root: Path) -> Path:
    """Return where DVC keeps files by their digest, which may be on another disk."""
    if not (root / ".dvc").is_dir():
        return root / ".dvc" / "cache" / "files"
    from dvc.repo import Repo

    repo = Repo(str(root))
    try:
        return Path(str(repo.cache.local.path)).parent
    finally:
        repo.close()


def _cached(root: Path) -> list[Path]:
    """Return what DVC keeps by its digest, and nothing that it is just writing."""
    cache = _cache(root)
    return sorted(
        path for path in cache.rglob("*") if path.is_file() and _BY_DIGEST.fullmatch(str(path.relative_to(cache)))
    )


def _put_back(root: Path, name: str, source: IO[bytes]) -> None:
    path = _cache(root) / name
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    with partial.open("wb") as file:
        shutil.copyfileobj(source, file)
    partial.chmod(0o444)  # as DVC keeps them
    partial.replace(path)


def verified(file: Path) -> dict[str, str]:
    """Return the parts of an archive, each of which is what was written, and where one of ours can be. DataError for another file."""
    seen: dict[str, str] = {}
    about: dict[str, object] = {}
    try:
        with tarfile.open(file, "r:") as archive:  # what is packed could unpack without end
            for member in archive:
                source = archive.extractfile(member) if member.isreg() and not member.issparse() else None
                if source is None or member.name in seen or not _known(member.name):
                    raise DataError(
                        f"{file} has {member.name!r}, which no backup has, or has once. It is none, or was changed."
                    )
                if member.name == ABOUT:
                    about = json.loads(source.read())
                else:
                    seen[member.name] = _digest(member.name, source)
    except (tarfile.TarError, ValueError, OSError) as err:
        raise DataError(f"{file} cannot be read as a backup ({type(err).__name__}: {err}).") from err
    said = about.get("sha256")
    if about.get("version") != VERSION or not isinstance(said, dict):
        raise DataError(f"{file} does not say what it has, so it is no backup, or half of one.")
    differ = sorted({name for name in {*said, *seen} if said.get(name) != seen.get(name)})
    if differ:
        raise DataError(
            f"{file} is not what was written: {differ[0]} and {len(differ) - 1} more differ. Take another backup."
        )
    return seen


def _known(name: str) -> bool:
    """Return whether a part of that name is put back, and where it should be."""
    kind, _, rest = name.partition("/")
    if kind == "databases":
        return rest in {f"{database}.dump" for database in DATABASES}
    if kind == "buckets":
        return rest.partition("/")[0] in BUCKETS and _plain(name)
    return name in (ABOUT, KEYS) or (kind == "cache" and _BY_DIGEST.fullmatch(rest) is not None)


def _digest(name: str, source: IO[bytes]) -> str:
    """Return the sha256 of a part; DataError for a file of DVC's cache that is another than its name says, as DVC would take it for the data."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    while block := source.read(2**20):
        sha256.update(block)
        md5.update(block)
    if (cached := _BY_DIGEST.fullmatch(name.removeprefix("cache/"))) and "".join(cached.groups()) != md5.hexdigest():
        raise DataError(
            f"{name} is not the data of that digest. The archive was changed, or the cache was when it was made: dvc fetch, and back up again."
        )
    return sha256.hexdigest()


def _in_use(place: Place) -> str:
    """Return what the databases have that somebody would miss; empty where nothing is."""
    asked = (
        ("mlflow", "select count(*) from registered_models", "registered models"),
        ("mlflow", "select count(*) from runs", "runs in MLflow"),
        ("mlflow_users", f"select count(*) from users where username <> '{USER}'", "users of MLflow"),
        ("prefect", "select count(*) from flow_run where start_time is not null", "runs of flows"),
    )
    for database, query, what in asked:
        if count := int(
            _ran(place, "psql", database, "--tuples-only", "--no-align", f"--command={query}").strip() or 0
        ):
            return f"{count} {what}"
    for bucket in BUCKETS:
        if count := sum(1 for _ in _keys(place, bucket)):
            return f"{count} objects in the bucket {bucket}"
    return ""


def _ran(place: Place, program: str, database: str, *arguments: str) -> str:
    binary = find_binaries() / program
    ran = subprocess.run(
        [str(binary), f"--host={HOST}", f"--port={place.ports['postgres']}", f"--username={USER}", "--no-password", f"--dbname={database}", *arguments],
        env={**os.environ, "PGPASSWORD": place.passwords["postgres"]}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ran.returncode:
        raise DiptychError(f"{program} of {database} failed: {ran.stderr.strip()[-500:]}")
    return ran.stdout


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _counted(parts: dict[str, str], file: Path) -> Counts:
    kinds = [name.partition("/")[0] for name in parts]
    return Counts(
        databases=kinds.count("databases"), objects=kinds.count("buckets"), cached=kinds.count("cache"), size_bytes=file.stat().st_size
    )  # fmt: skip


def as_line(what: str, counts: Counts, file: Path) -> str:
    """Return one sentence, such as of what was backed up."""
    said = asdict(counts)
    return f"{what} {file}: {said['databases']} databases, {said['objects']:,} objects, {said['cached']:,} cached files, {said['size_bytes'] / 2**20:,.1f} MB."
