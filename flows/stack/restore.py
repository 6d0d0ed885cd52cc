"""`diptych restore FILE`: put what a backup has into servers that have nothing yet, so that nothing half is ever in use.

Databases are filled under other names and held, row by row, against what the backup says they had; objects and cached files are of use to nobody
before. Then the servers end, and the next start has all of it take its place (`flows.stack.restoring`).
"""

import json
import os
import shutil
import tarfile
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from components.contracts.errors import ConfigError, DataError
from components.serving.process import ProcessId
from components.stages.lock import hold
from components.stages.place import private
from flows.mlflow_users import JOBS, SERVING
from flows.stack.archive import About, Counts, counted, verified
from flows.stack.backup import cache_of, keys, ran, running
from flows.stack.objects import BUCKETS, client
from flows.stack.place import KEYS, USER, Place, write_private
from flows.stack.postgres import DATABASES, admin
from flows.stack.prefect_set_up import DEPLOYED
from flows.stack.restoring import STAGED, Restoring, forget_restoring, read_restoring, staged, write_restoring
from flows.stack.rows import moment
from flows.stack.seen import read_seen
from flows.stack.up import UP, WITHIN_S, end, up

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

_THEIRS = ("prefect", "mlflow", "mlflow-jobs", "mlflow-serving", "mlflow-forms", "webhooks")


def restore(root: Path, file: Path) -> Counts:
    """Put everything of an archive into the servers that run, in the place of what they have, and start them anew.

    Whoever had a password of Prefect or MLflow has it again, since MLflow keeps its users, and what it encrypted, by these; databases and
    buckets keep the passwords of here. One that was ended in the middle is done again by calling it again.

    Nothing is changed before every part has been found to be what was written. Raises DataError for an archive that is not, or no backup, or
    whose databases come back as others than they were; ConfigError where the servers do not run, or have models or runs of flows that the archive
    would take away.
    """
    place, seen = running(root), read_seen(root)
    assert seen is not None
    with hold(private(root, "locks") / "restore.lock", f"a restore into the servers of {root}"):
        about = verified(file)
        objects = tuple(name.removeprefix("buckets/") for name in about.parts if name.startswith("buckets/"))
        before = read_restoring(place.data)
        _refuse_if_in_use(place, before.objects if before else ())
        began = datetime.now(UTC).isoformat(timespec="seconds")
        restoring = Restoring(
            file=str(file.resolve()), began=began, process=ProcessId.of(os.getpid()), objects=tuple({*objects, *(before.objects if before else ())})
        )  # fmt: skip
        write_restoring(place.data, restoring)
        try:
            theirs = _filled(root, place, file, about)
        except DataError:  # the archive is not what it says, and what came of it is not wanted
            _forget(place)
            raise
        _take_away(place, {*restoring.objects} - {*objects})
        with hold(private(root, "locks") / UP, f"the start of the servers of {root}", wait_s=WITHIN_S):
            _refuse_if_in_use(place, objects)
            end(root)
            (place.data / DEPLOYED).unlink(missing_ok=True)  # deployments name the folder that they work in
            write_private(place.data / STAGED, json.dumps({name: theirs[name] for name in _THEIRS if name in theirs}))
            write_restoring(place.data, replace(restoring, filled=True))
        up(root, without=seen.without, say=lambda said: None)
    return counted(about.parts, file)


def _filled(root: Path, place: Place, file: Path, about: About) -> dict[str, str]:
    """Put all parts where nobody looks for them yet; return the passwords of the archive."""
    theirs: dict[str, str] = {}
    cache = cache_of(root)
    with tarfile.open(file, "r:") as archive, _scratch(place) as scratch:
        for member in archive:
            kind, _, name = member.name.partition("/")
            source = archive.extractfile(member)
            if source is None:
                continue
            if kind == "databases":
                dump = scratch / "dump"
                with dump.open("wb") as file_of:
                    shutil.copyfileobj(source, file_of)
                _fill(place, name.removesuffix(".dump"), dump, about)
            elif kind == "buckets":
                bucket, _, key = name.partition("/")
                client(place, bucket).upload_fileobj(source, bucket, key)
            elif kind == "cache":
                _put_back(cache / name, source)
            elif member.name == KEYS:
                theirs = json.loads(source.read())
    return theirs


@contextmanager
def _scratch(place: Place) -> Iterator[Path]:
    """Yield a folder that goes with the block, or, where that is ended from outside, when it is done again."""
    folder = place.data / "restoring"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _fill(place: Place, database: str, dump: Path, about: About) -> None:
    """Fill a database under another name. DataError where its rows are others than when it was dumped."""
    from psycopg2 import sql

    name, owner = staged(database), DATABASES[database]
    with _administrator(place) as its:
        its.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
        its.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(owner)))
    ran(place, "pg_restore", name, "--no-owner", f"--role={owner}", "--single-transaction", str(dump))
    with moment(place, name) as now:
        found, said = now.digests(), about.rows.get(database)
    if said is not None and (differ := sorted(one for one in {*found, *said} if found.get(one) != said.get(one))):
        raise DataError(
            f"the database {database} does not come back as it was: {differ[0]} and {len(differ) - 1} more tables have other rows than when it was backed up. "
            "Nothing here was changed. Take another backup."
        )


@contextmanager
def _administrator(place: Place) -> Iterator["cursor"]:
    """Yield a cursor outside of a transaction, in which databases are made."""
    import psycopg2

    with closing(psycopg2.connect(**admin(place), dbname="postgres")) as connection:
        connection.autocommit = True
        with connection.cursor() as its:
            yield its


def _put_back(path: Path, source: IO[bytes]) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.restoring")
    with partial.open("wb") as file:
        shutil.copyfileobj(source, file)
    partial.chmod(0o444)  # as DVC keeps them
    partial.replace(path)


def _take_away(place: Place, objects: Collection[str]) -> None:
    """Take away what a restore of another archive had put before it was ended."""
    for name in objects:
        bucket, _, key = name.partition("/")
        client(place, bucket).delete_object(Bucket=bucket, Key=key)


def _forget(place: Place) -> None:
    """Take away the databases that were filled, and the mark."""
    from psycopg2 import sql

    with _administrator(place) as its:
        for name in map(staged, DATABASES):
            its.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
    forget_restoring(place.data)


def _refuse_if_in_use(place: Place, but: Collection[str]) -> None:
    """Raise ConfigError where the servers have what somebody would miss.

    Args:
        but: bucket/key of what a restore put there itself.
    """
    if not (lost := _in_use(place, but)):
        return
    _forget(place)
    raise ConfigError(
        f"the servers here have {lost} already, which a restore could take away. Restore into new ones: diptych down, diptych up --data DIR"
    )


def _in_use(place: Place, but: Collection[str]) -> str:
    """Return what the servers have that somebody would miss; empty where nothing is."""
    asked = (
        ("mlflow", "select count(*) from registered_models", "registered models"),
        ("mlflow", "select count(*) from runs", "runs in MLflow"),
        (
            "mlflow_users",
            f"select count(*) from users where username not in ('{USER}', '{JOBS}', '{SERVING}')",
            "users of MLflow",
        ),
        ("prefect", "select count(*) from flow_run where start_time is not null", "runs of flows"),
    )
    for database, query, what in asked:
        said = ran(place, "psql", database, "--tuples-only", "--no-align", f"--command={query}")
        if count := int(said.strip() or 0):
            return f"{count} {what}"
    ours = {*but}
    for bucket in BUCKETS:
        if count := sum(1 for key in keys(place, bucket) if f"{bucket}/{key}" not in ours):
            return f"{count} objects in the bucket {bucket}"
    return ""
