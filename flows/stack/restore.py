"""`diptych restore FILE [--data DIR]`: put what a backup has into servers that have nothing yet, so that nothing half is ever in use.

Databases are filled under other names and held, row by row, against what the backup says they had (`flows.stack.fill`); objects and cached files are of
use to nobody before. Then the servers end, and the next start has all of it take its place (`flows.stack.restoring`). Nobody who begins runs of flows
runs meanwhile, since what they left would be in the way, or be lost.
"""

import json
import os
import shutil
import tarfile
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from components.contracts.errors import ConfigError
from components.serving.process import ProcessId
from components.stages.lock import hold
from components.stages.place import private
from flows.mlflow_users import JOBS, SERVING
from flows.stack.archive import About, Counts, counted, is_its_name, verified
from flows.stack.backup import ALONE, cache_of, keys, ran, running
from flows.stack.fill import drop_filled, fill
from flows.stack.half_written import scratch
from flows.stack.objects import BUCKETS, client
from flows.stack.place import KEYS, USER, Place, unmoved, write_private
from flows.stack.postgres import DATABASES
from flows.stack.restoring import STAGED, Restoring, forget_restoring, read_restoring, write_restoring
from flows.stack.seen import Seen, keep_settings, read_seen
from flows.stack.up import UP, WITHIN_S, as_if_never_started, brought_up, end

_WHILE_FILLED = ("workers", "hooks", "triton")  # what is left out of servers that are started to be filled
_THEIRS = ("prefect", "mlflow", "mlflow-jobs", "mlflow-serving", "mlflow-forms", "webhooks")


def restore_into(root: Path, file: Path, data: Path | None, say: Callable[[str], None]) -> Counts:
    """Do what `restore` does, where no servers run: in new ones, which are started for it without those that begin runs; afterwards all of them run.

    Args:
        data: where these servers are to keep what they have; where they did last time, or within the workspace, unless given.
        say: is told what is waited for.

    Whatever ends it before all is there, also who interrupts it: none run, and the place is that of before. Servers that run, without those that begin
    runs and with their data in `data`, are filled as by `restore`; ConfigError of others. Errors as of `restore` and `up`, too.
    """
    seen = read_seen(root)
    if seen is not None and not _begin_runs(seen) and data in (None, seen.data):
        return restore(root, file, say)
    _refuse_if_any_run(root, file)
    with hold(private(root, "locks") / ALONE, f"a backup or a restore of the servers of {root}"):
        verified(file)
        with hold(private(root, "locks") / UP, f"the start of the servers of {root}", wait_s=WITHIN_S):
            _refuse_if_any_run(root, file)  # since it was verified
            with unmoved(root), as_if_never_started(root):
                brought_up(root, data, _WHILE_FILLED, say)
                filled = _fill(root, file)
                _end_filled(root, filled)
            brought_up(root, None, (), say)
    return filled.counts


def _refuse_if_any_run(root: Path, file: Path) -> None:
    if (seen := read_seen(root)) is not None:
        raise ConfigError(
            f"the servers run, with their data in {seen.data}. To restore into new ones: diptych down; diptych restore {file} --data DIR"
        )


def restore(root: Path, file: Path, say: Callable[[str], None] = print) -> Counts:
    """Put everything of an archive into the servers that run, in the place of what they have, and start them anew.

    Whoever had a password of Prefect or MLflow has it again, since MLflow keeps its users, and what it encrypted, by these; databases and
    buckets keep the passwords of here. One that was ended in the middle is done again by calling it again.

    Nothing is changed before every part has been found to be what was written. Raises DataError for an archive that is not, or no backup, or
    whose tables come back with other rows than they had; ConfigError where the servers do not run, have models or runs of flows that the archive
    would take away, run with workers or hooks, which begin such runs, or where one before only has to take its place. Of what is refused nothing is left: databases that were filled go, and the
    objects that were put, those of one before that was ended in the middle too.
    """
    seen = read_seen(root)
    with hold(private(root, "locks") / ALONE, f"a backup or a restore of the servers of {root}"):
        goes_on = seen is not None and {*seen.without} == {*_WHILE_FILLED} and read_restoring(seen.data) is not None
        filled = _fill(root, file)
        assert seen is not None
        with hold(private(root, "locks") / UP, f"the start of the servers of {root}", wait_s=WITHIN_S):
            keep_settings(seen)
            _end_filled(root, filled)
            brought_up(
                root, None, () if goes_on else seen.without, say
            )  # of those that one before had started for it, nobody wants any left out
    return filled.counts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filled:
    """What has been put where nobody looks for it yet; its mark, the passwords of the archive, and how much it is."""

    restoring: Restoring
    theirs: Mapping[str, str] = field(repr=False)
    counts: Counts


def _fill(root: Path, file: Path) -> _Filled:
    """Put everything of an archive where nobody looks for it yet; errors as of `restore`."""
    place, seen = running(root), read_seen(root)
    assert seen is not None
    before = read_restoring(place.data)
    if before and before.filled:  # what it put is in use from the next start on, and no more ours to take away
        raise ConfigError(before.says)
    left = before.objects if before else ()
    _refuse_if_in_use(place, left)
    refuse_if_runs_begin(seen, file)
    about = verified(file)
    objects = tuple(name.removeprefix("buckets/") for name in about.parts if name.startswith("buckets/"))
    began = datetime.now(UTC).isoformat(timespec="seconds")
    restoring = Restoring(
        file=str(file.resolve()), began=began, process=ProcessId.of(os.getpid()), objects=tuple({*objects, *left})
    )  # fmt: skip
    write_restoring(place.data, restoring)
    try:
        theirs = _filled(root, place, file, about)
    except (
        Exception
    ):  # the archive is not what it says, or of another PostgreSQL, or there is no room: what came of it is not wanted
        with suppress(Exception):  # of servers that are away: the mark stays then, and the next one takes it away
            _forget(place, restoring.objects)
        raise
    _take_away(place, {*left} - {*objects})
    return _Filled(restoring=restoring, theirs=theirs, counts=counted(about.parts, file))


def _end_filled(root: Path, filled: _Filled) -> None:
    """End servers that were filled, so that all of it takes its place at the next start."""
    place = Place.read(root)
    _refuse_if_in_use(place, filled.restoring.objects)
    if read_seen(root) is not None:
        end(root, for_good=False)
    write_private(
        place.data / STAGED, json.dumps({name: filled.theirs[name] for name in _THEIRS if name in filled.theirs})
    )
    write_restoring(place.data, replace(filled.restoring, filled=True))


def _filled(root: Path, place: Place, file: Path, about: About) -> dict[str, str]:
    """Put all parts where nobody looks for them yet; return the passwords of the archive."""
    theirs: dict[str, str] = {}
    cache = cache_of(root)
    with tarfile.open(file, "r:") as archive, scratch(place.data / "restoring") as folder:
        for member in archive:
            kind, _, name = member.name.partition("/")
            source = archive.extractfile(member)
            if source is None:
                continue
            if kind == "databases":
                dump = folder / "dump"
                with dump.open("wb") as file_of:
                    shutil.copyfileobj(source, file_of)
                database = name.removesuffix(".dump")
                fill(place, database, dump, about.rows.get(database))
            elif kind == "buckets":
                bucket, _, key = name.partition("/")
                client(place, bucket).upload_fileobj(source, bucket, key)
            elif kind == "cache":
                put_back(cache / name, member.name, source)
            elif member.name == KEYS:
                theirs = json.loads(source.read())
    return theirs


def put_back(path: Path, name: str, source: IO[bytes]) -> None:
    """Have a file of DVC's cache be what the backup has of it; one that is there stays where it is the data of its digest, by which it is called."""
    if path.exists() and is_its_name(name, path):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.restoring")
    partial.unlink(missing_ok=True)  # one that was killed left it so that nobody may write it
    with partial.open("wb") as file:
        shutil.copyfileobj(source, file)
    partial.chmod(0o444)  # as DVC keeps them
    partial.replace(path)


def _take_away(place: Place, objects: Collection[str]) -> None:
    """Take away what a restore has put, or was to put; what is not there is none to it."""
    for name in objects:
        bucket, _, key = name.partition("/")
        client(place, bucket).delete_object(Bucket=bucket, Key=key)


def _forget(place: Place, objects: Collection[str]) -> None:
    """Take away the databases that were filled and the objects that were put; the mark last, so that one that is ended here still has both to take away."""
    drop_filled(place)
    _take_away(place, objects)
    forget_restoring(place.data)


def refuse_if_runs_begin(seen: Seen, file: Path) -> None:
    """Raise ConfigError where workers or the receiver of webhooks run, which begin runs of flows while databases are filled."""
    if begin := _begin_runs(seen):
        raise ConfigError(
            f"{', '.join(begin)} run here, and what they begin meanwhile would be in the way. Restore into new servers: diptych down; "
            f"diptych restore {file} --data DIR"
        )


def _begin_runs(seen: Seen) -> list[str]:
    return [one.name for one in seen.services if one.name.startswith("worker-") or one.name == "hooks"]


def _refuse_if_in_use(place: Place, ours: Collection[str]) -> None:
    """Raise ConfigError where the servers have what somebody would miss.

    Args:
        ours: bucket/key of what a restore put there itself, which is taken away then.
    """
    if not (lost := _in_use(place, ours)):
        return
    _forget(place, ours)
    raise ConfigError(
        f"the servers here have {lost} already, which a restore could take away. Restore into new ones: diptych down; diptych restore FILE --data DIR"
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
        said = ran(
            place, "psql", database, "--tuples-only", "--no-align", f"--command={query}", owner=DATABASES[database]
        )
        if count := int(said.strip() or 0):
            return f"{count} {what}"
    ours = {*but}
    for bucket in BUCKETS:
        if count := sum(1 for key in keys(place, bucket) if f"{bucket}/{key}" not in ours):
            return f"{count} objects in the bucket {bucket}"
    return ""
