"""`diptych backup FILE` and `diptych restore FILE`: databases, buckets, passwords and what DVC has cached, in one archive with a digest of each part.

Everything is read while the servers run, each database as of one moment; objects that are written meanwhile may be in or not.
"""

import hashlib
import io
import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from components.contracts.errors import ConfigError, DataError, DiptychError
from components.contracts.sealed import sha256_of
from flows.loopback import HOST
from flows.stack.objects import BUCKETS, client
from flows.stack.place import USER, Place, write_private
from flows.stack.postgres import DATABASES, find_binaries
from flows.stack.prefect_set_up import DEPLOYED
from flows.stack.seen import read_seen
from flows.stack.up import end, up

ABOUT = "backup.json"
VERSION = 1
_THEIRS = ("prefect", "mlflow", "mlflow-forms", "webhooks")
_CACHE = Path(".dvc/cache/files")


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
                _add(archive, f"databases/{name}.dump", dump.read_bytes(), parts)
            for bucket in BUCKETS:
                for key, data in _objects(place, bucket):
                    _add(archive, f"buckets/{bucket}/{key}", data, parts)
            for cached in _cached(root):
                _add(archive, f"cache/{cached.relative_to(root / _CACHE)}", cached.read_bytes(), parts)
            _add(archive, "passwords.json", place.keys.read_bytes(), parts)
            about = {"version": VERSION, "made_at": datetime.now(UTC).isoformat(timespec="seconds"), "sha256": parts}
            _add(archive, ABOUT, json.dumps(about, indent=2).encode(), {})
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
    place = _running(root)
    parts = _verified(file)
    if lost := _in_use(place):
        raise ConfigError(
            f"the servers here have {lost} already, which a restore would take away. Restore into new ones: diptych down, diptych up --data DIR"
        )
    with tarfile.open(file) as archive, tempfile.TemporaryDirectory(dir=place.data) as scratch:
        for member in archive:
            kind, _, name = member.name.partition("/")
            source = archive.extractfile(member)
            if source is None:
                continue
            if kind == "databases":
                dump = Path(scratch) / "dump"
                dump.write_bytes(source.read())
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
                client(place, bucket).put_object(Bucket=bucket, Key=key, Body=source.read())
            elif kind == "cache":
                _put_back(root, name, source.read())
            elif member.name == "passwords.json":
                theirs = json.loads(source.read())
                write_private(
                    place.keys,
                    json.dumps({**place.passwords, **{name: theirs[name] for name in _THEIRS}}, indent=2) + "\n",
                )
    (place.data / DEPLOYED).unlink(missing_ok=True)  # deployments name the folder that they work in
    end(root)
    up(root, say=lambda said: None)
    return _counted(parts, file)


def digests(root: Path) -> dict[str, str]:
    """Return what tells whether two places have the same: sha256 of each object and cached file, and of the rows of each table."""
    place = _running(root)
    found = {f"buckets/{bucket}/{key}": _sha256(data) for bucket in BUCKETS for key, data in _objects(place, bucket)}
    found |= {f"cache/{one.relative_to(root / _CACHE)}": sha256_of(one) for one in _cached(root)}
    for name in DATABASES:
        said = _ran(place, "pg_dump", name, "--data-only", "--inserts", "--no-owner")
        rows = sorted(line for line in said.splitlines() if line.startswith("INSERT"))
        found[f"databases/{name}"] = _sha256("\n".join(rows).encode())
    return found


def _running(root: Path) -> Place:
    seen = read_seen(root)
    if seen is None:
        raise ConfigError("the servers of this workspace do not run. Start them: diptych up")
    return Place.of(root, seen.data)


def _add(archive: tarfile.TarFile, name: str, data: bytes, parts: dict[str, str]) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o600
    archive.addfile(member, io.BytesIO(data))
    parts[name] = _sha256(data)


def _objects(place: Place, bucket: str) -> Iterator[tuple[str, bytes]]:
    its = client(place, bucket)
    for page in its.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for one in page.get("Contents", ()):
            if one["Key"] != ".ready":
                yield one["Key"], its.get_object(Bucket=bucket, Key=one["Key"])["Body"].read()


def _cached(root: Path) -> list[Path]:
    return sorted(path for path in (root / _CACHE).rglob("*") if path.is_file())


def _put_back(root: Path, name: str, data: bytes) -> None:
    path = root / _CACHE / name
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_bytes(data)
    partial.chmod(0o444)  # as DVC keeps them
    partial.replace(path)


def _verified(file: Path) -> dict[str, str]:
    """Return the parts of an archive, each of which is what was written. DataError for another file."""
    seen: dict[str, str] = {}
    about: dict[str, object] = {}
    try:
        with tarfile.open(file) as archive:
            for member in archive:
                source = archive.extractfile(member) if member.isreg() else None
                if source is None or member.name.startswith("/") or ".." in Path(member.name).parts:
                    raise DataError(f"{file} has {member.name!r}, which no backup has. It is none, or was changed.")
                data = source.read()
                if member.name == ABOUT:
                    about = json.loads(data)
                else:
                    seen[member.name] = _sha256(data)
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
    if unknown := {name for name in seen if name.startswith("databases/")} - {
        f"databases/{name}.dump" for name in DATABASES
    }:
        raise DataError(f"{file} has {sorted(unknown)[0]}, which is no database of ours.")
    return seen


def _in_use(place: Place) -> str:
    """Return what the databases have that somebody would miss; empty where nothing is."""
    asked = {
        "mlflow": ("select count(*) from registered_models", "registered models"),
        "prefect": ("select count(*) from flow_run where start_time is not null", "runs of flows"),
    }
    for database, (query, what) in asked.items():
        count = int(_ran(place, "psql", database, "--tuples-only", "--no-align", f"--command={query}").strip() or 0)
        if count:
            return f"{count} {what}"
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
