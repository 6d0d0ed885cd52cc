"""What a workspace registered in its own file, `mlflow.db`, before it had servers: taken into MLflow's server when that has nothing yet.

Runs, versions, aliases and their ids stay what they are, and so do links to them; artifacts go to the bucket, and every row that says where they
lie says so of the server from then on. The file is only read. It is taken over once: servers that are made anew begin with nothing, for a
backup to be restored into.
"""

import json
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from components.contracts.errors import DataError
from components.stages.lock import hold
from components.stages.place import private
from flows.stack.objects import client
from flows.stack.place import Place, write_private

if TYPE_CHECKING:
    from sqlalchemy import Column, Connection, MetaData, Table

DATABASE, BUCKET, FOLDER = "mlflow", "mlflow", "artifacts"
LEFT = (
    "alembic_version",
    "workspaces",
    "webhooks",
    "webhook_events",
)  # the server has its own, or keys that are not ours
OURS = ("Default", "diptych")  # experiments that are made before anything is in them
PLACED = {
    "experiments": ("artifact_location",), "runs": ("artifact_uri",), "model_versions": ("source", "storage_location"),
    "logged_models": ("artifact_location",), "trace_tags": ("value",),
}  # fmt: skip
"""Table -> the columns that say where artifacts lie."""
ROWS = 1000
WAIT_S = 600.0  # for another that takes over


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What was taken over.

    Args:
        runs, versions, artifacts: how many of each.
        without: versions whose files lay nowhere on this machine any more.
    """

    runs: int
    versions: int
    artifacts: int
    without: tuple[str, ...] = ()


def taken_over(place: Place) -> list[str]:
    """Take over what can be, and return what a person should know of it: a sentence or two, or none."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError
    from sqlalchemy.exc import SQLAlchemyError

    file, before = place.root / "mlflow.db", _before(place)
    if not file.exists():
        return []
    try:
        brought = bring(place)
    except DataError as err:
        return [str(err)]
    except (Boto3Error, BotoCoreError, ClientError, SQLAlchemyError, OSError, ValueError) as err:
        return [
            f"mlflow.db was not taken over, and these servers know nothing of it: {(str(err) or type(err).__name__).splitlines()[0]}. The next diptych up "
            "tries it again."
        ]
    if brought is None:
        if before.get("state") == _state(file) and before.get("data") == str(place.data):
            return []
        if before and before.get("data") != str(place.data):
            return [
                f"mlflow.db was taken over into the servers of {before['data']} on {before['at']}, and is not again. To have these take it over: delete {_note(place)}, then diptych up"
            ]
        return [
            "mlflow.db has what these servers do not know, and they have runs of their own, so it is not taken over. To use the file: diptych down"
        ]
    said = f"Taken over from mlflow.db, which stays as it is: {brought.runs:,} runs, {brought.versions:,} versions, {brought.artifacts:,} artifacts."
    if not brought.without:
        return [said]
    return [
        said,
        f"{len(brought.without):,} of these versions have no files any more where mlflow.db says they lie, such as {brought.without[0]}, and cannot be "
        "served.",
    ]


def bring(place: Place) -> Brought | None:
    """Take over what `mlflow.db` has; None where there is no such file, it was taken over before, or the server has anything of its own.

    Artifacts are there before any row is, and all rows are or none. DataError for a file of another version of MLflow, or one that cannot be read;
    what S3 and PostgreSQL raise goes on: no row is there then, and no artifact where S3 can still be asked to delete it. One at a time, since of two the second
    would take back what the first has put: Busy where another is at it for longer than WAIT_S.
    """
    file = place.root / "mlflow.db"
    if not file.exists():
        return None
    with hold(private(place.root, "locks") / "brought.lock", f"what {file} has", wait_s=WAIT_S):
        return None if _before(place) else _bring(place, file)


def _bring(place: Place, file: Path) -> Brought | None:
    with _server(place) as here:
        if _in_use(here):
            return None
    state = _state(file)
    with _copy(file) as there:
        places = _places(there)
        put: list[str] = []
        try:
            _artifacts(place, places, put)
            with _server(place) as here:
                counts = _rows(there, here, places)
        except BaseException:
            _take_back(place, put)
            raise
        if counts is None:
            _take_back(place, put)
            return None
        found = Brought(
            runs=counts["runs"], versions=counts["model_versions"], artifacts=len(put), without=_without(there)
        )
    note = {"state": state, "data": str(place.data), "at": datetime.now(UTC).isoformat(timespec="seconds")}
    write_private(_note(place), json.dumps(note) + "\n")
    return found


def _note(place: Place) -> Path:
    """Return where it is written down, in the workspace, that its file was taken over."""
    return private(place.root, "stack") / "brought.json"


def _before(place: Place) -> dict[str, str]:
    try:
        return dict(json.loads(_note(place).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return {}


def _state(file: Path) -> str:
    """Return what changes when somebody writes into the file."""
    stats = [one.stat() for one in (file, file.with_name(f"{file.name}-wal")) if one.exists()]
    return " ".join(f"{one.st_mtime_ns}:{one.st_size}" for one in stats)


@contextmanager
def _copy(file: Path) -> Iterator["Connection"]:
    """Yield a connection to a copy as of one moment, so that whoever writes into the file meanwhile is not in the way."""
    from sqlalchemy import create_engine

    with tempfile.TemporaryDirectory(prefix="diptych-") as folder:
        copy = Path(folder) / "mlflow.db"
        source, target = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True), sqlite3.connect(copy)
        try:
            source.backup(target)
        except sqlite3.DatabaseError as err:
            raise DataError(
                f"{file} cannot be taken over: {err}. Move it away to begin without it; the next run registers what it makes."
            ) from err
        finally:
            source.close()
            target.close()
        engine = create_engine(f"sqlite:///{copy}")
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()


@contextmanager
def _server(place: Place) -> Iterator["Connection"]:
    from sqlalchemy import create_engine

    engine = create_engine(place.database(DATABASE, DATABASE, "psycopg2"))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _in_use(here: "Connection") -> bool:
    """Return whether the server has anything that somebody made there."""
    from sqlalchemy import text

    tables = ("runs", "registered_models", "trace_info", "datasets")
    if any(here.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in tables):
        return True
    names = {str(row[0]) for row in here.execute(text("SELECT name FROM experiments"))}
    return bool(names - {*OURS})


def _rows(there: "Connection", here: "Connection", places: Mapping[str, int]) -> dict[str, int] | None:
    """Copy all rows; return how many of each table, or None where the server has something of its own by now."""
    from sqlalchemy import MetaData, text

    here.execute(text("LOCK TABLE experiments, runs, registered_models IN SHARE ROW EXCLUSIVE MODE"))
    if _in_use(here):
        return None
    of_file, of_server = (
        one.execute(text("SELECT version_num FROM alembic_version")).scalar_one() for one in (there, here)
    )
    if of_file != of_server:
        raise DataError(
            f"mlflow.db was made by another version of MLflow ({of_file}, the server has {of_server}), so it is not taken over. Bring it up to "
            "date: mlflow db upgrade sqlite:///mlflow.db, then diptych down and diptych up."
        )
    tables = MetaData()
    tables.reflect(bind=here)
    here.execute(text("DELETE FROM experiment_tags"))
    here.execute(text("DELETE FROM experiments"))
    counts = {
        table.name: _copied(there, here, table, places) for table in tables.sorted_tables if table.name not in LEFT
    }
    _count_on(here, tables)
    return counts


def _places(there: "Connection") -> dict[str, int]:
    """Return where artifacts lie on this machine -> the experiment of that place, longer ones first; several may share one."""
    from sqlalchemy import text

    rows = there.execute(text("SELECT artifact_location, experiment_id FROM experiments ORDER BY experiment_id DESC"))
    found = {str(uri): int(number) for uri, number in rows if folder_of(str(uri)) is not None}
    return dict(sorted(found.items(), key=lambda one: -len(one[0])))


def folder_of(uri: str) -> Path | None:
    """Return the folder that a URI, or a path as it is, names on this machine; None for one elsewhere, and for a path that depends on where one stands."""
    if uri.startswith("file:"):
        split = urlsplit(uri)
        return Path(unquote(split.path)) if split.netloc in ("", "localhost") and split.path.startswith("/") else None
    return Path(uri) if uri.startswith("/") else None


def _copied(there: "Connection", here: "Connection", table: "Table", places: Mapping[str, int]) -> int:
    """Copy all rows of a table, some at a time; return how many."""
    from sqlalchemy import insert, select

    columns = [_plain(column) for column in table.columns if column.computed is None]
    found = there.execution_options(yield_per=ROWS).execute(select(*columns))
    many = 0
    for part in found.partitions():
        rows = [row._asdict() for row in part]
        for column in PLACED.get(table.name, ()):
            for row in rows:
                row[column] = _moved(row[column], places)
        here.execute(insert(table), rows)
        many += len(rows)
    return many


def _plain(column: "Column[object]") -> "Column[object]":
    """Return a column, whose missing values stay missing where it holds JSON."""
    from sqlalchemy import JSON

    if isinstance(column.type, JSON):
        column.type.none_as_null = True
    return column


def _moved(uri: str | None, places: Mapping[str, int]) -> str | None:
    for old, number in places.items():
        if uri is not None and (uri == old or uri.startswith(f"{old.rstrip('/')}/")):
            return f"mlflow-artifacts:/{number}{uri[len(old.rstrip('/')) :]}"
    return uri


def _count_on(here: "Connection", tables: "MetaData") -> None:
    """Have what is numbered by the database go on behind the highest number that was copied."""
    from sqlalchemy import text

    for table in tables.sorted_tables:
        for column in table.primary_key:
            which = {"table": f'"{table.name}"', "column": column.name}
            sequence = here.execute(text("SELECT pg_get_serial_sequence(:table, :column)"), which).scalar_one()
            if sequence is not None and (
                last := here.execute(text(f'SELECT max("{column.name}") FROM "{table.name}"')).scalar_one()
            ):
                here.execute(text("SELECT setval(:sequence, :last)"), {"sequence": sequence, "last": last})


def _artifacts(place: Place, places: Mapping[str, int], put: list[str]) -> None:
    """Put all artifacts into the bucket, and the key of each into `put` as soon as it is there."""
    s3 = client(place, BUCKET)
    for uri, number in places.items():
        folder = folder_of(uri)
        assert folder is not None, uri
        for file in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
            key = f"{FOLDER}/{number}/{file.relative_to(folder)}"
            with file.open("rb") as source:
                s3.upload_fileobj(source, BUCKET, key)
            put.append(key)


def _take_back(place: Place, put: list[str]) -> None:
    s3 = client(place, BUCKET)
    for key in put:
        s3.delete_object(Bucket=BUCKET, Key=key)


def _without(there: "Connection") -> tuple[str, ...]:
    """Return the versions that had no files to bring."""
    from sqlalchemy import text

    versions = there.execute(text("SELECT name, version, source FROM model_versions ORDER BY name, version"))
    return tuple(
        f"{name}@{version}" for name, version, uri in versions if (at := folder_of(uri)) is not None and not at.is_dir()
    )
