"""What a workspace registered in its own file, `mlflow.db`, before it had servers: taken into MLflow's server when that has nothing yet.

Runs, versions, aliases and their ids stay what they are, and so do links to them; artifacts go to the bucket, and every row that says where they
lie says so of the server from then on. The file is only read.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from components.contracts.errors import DataError
from components.contracts.sealed import sha256_of
from flows.stack.objects import client
from flows.stack.place import Place, write_private

if TYPE_CHECKING:
    from sqlalchemy import Connection, MetaData, Table

DATABASE, BUCKET, FOLDER = "mlflow", "mlflow", "artifacts"
KEPT = "brought.json"
LEFT = (
    "alembic_version",
    "workspaces",
    "webhooks",
    "webhook_events",
)  # the server has its own, or keys that are not ours
PLACED = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "model_versions": ("source", "storage_location"),
    "logged_models": ("artifact_location",),
}
"""Table -> the columns that say where artifacts lie."""
ROWS = 1000


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
    try:
        brought = bring(place)
    except DataError as err:
        return [str(err)]
    if brought is None:
        if not (place.root / "mlflow.db").exists() or is_known(place):
            return []
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
    """Take over what `mlflow.db` has; None where there is no such file, or the server has runs or models of its own.

    All rows are there afterwards, or none is. DataError for a file of another version of MLflow, or one that cannot be read.
    """
    file = place.root / "mlflow.db"
    if not file.exists():
        return None
    with _copy(file) as there, _server(place) as here:
        from sqlalchemy import MetaData, text

        tables = MetaData()
        tables.reflect(bind=here)
        here.execute(text("LOCK TABLE experiments, runs, registered_models IN SHARE ROW EXCLUSIVE MODE"))
        if any(
            here.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in ("runs", "registered_models")
        ):
            return None
        _check_version(there, here)
        places = {uri: f"mlflow-artifacts:/{number}" for number, uri in _experiments(there).items()}
        here.execute(text("DELETE FROM experiment_tags"))
        here.execute(text("DELETE FROM experiments"))
        counts = {
            table.name: _copied(there, here, table, places) for table in tables.sorted_tables if table.name not in LEFT
        }
        _count_on(here, tables)
        artifacts, without = _artifacts(place, there)
        found = Brought(runs=counts["runs"], versions=counts["model_versions"], artifacts=artifacts, without=without)
    write_private(place.data / KEPT, json.dumps({"sha256": sha256_of(file)}) + "\n")
    return found


def is_known(place: Place) -> bool:
    """Return whether the server has what is in `mlflow.db` now, since it was taken over and nothing came to it after."""
    try:
        said = json.loads((place.data / KEPT).read_text(encoding="utf-8"))
        return bool(said["sha256"] == sha256_of(place.root / "mlflow.db"))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False


@contextmanager
def _copy(file: Path) -> Iterator["Connection"]:
    """Yield a connection to a copy as of one moment, so that whoever writes into the file meanwhile is not in the way."""
    import sqlite3

    from sqlalchemy import create_engine
    from sqlalchemy.exc import DatabaseError

    with tempfile.TemporaryDirectory(prefix="diptych-") as folder:
        copy = Path(folder) / "mlflow.db"
        try:
            source, target = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True), sqlite3.connect(copy)
            with target:
                source.backup(target)
            source.close()
            target.close()
            engine = create_engine(f"sqlite:///{copy}")
            with engine.connect() as connection:
                yield connection
            engine.dispose()
        except (sqlite3.DatabaseError, DatabaseError) as err:
            raise DataError(
                f"{file} cannot be taken over: {str(err).splitlines()[0]}. Move it away to begin without it; the next run registers what it makes."
            ) from err


@contextmanager
def _server(place: Place) -> Iterator["Connection"]:
    from sqlalchemy import create_engine

    engine = create_engine(place.database(DATABASE, DATABASE, "psycopg2"))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _check_version(there: "Connection", here: "Connection") -> None:
    from sqlalchemy import text

    of_file, of_server = (
        one.execute(text("SELECT version_num FROM alembic_version")).scalar_one() for one in (there, here)
    )
    if of_file != of_server:
        raise DataError(
            f"mlflow.db was made by another version of MLflow ({of_file}, the server has {of_server}), so it is not taken over. Bring it up to "
            "date: mlflow db upgrade sqlite:///mlflow.db, then diptych down and diptych up."
        )


def _experiments(there: "Connection") -> dict[int, str]:
    """Return number -> place of each whose artifacts lie on this machine."""
    from sqlalchemy import text

    rows = there.execute(text("SELECT experiment_id, artifact_location FROM experiments")).all()
    return {int(row[0]): str(row[1]) for row in rows if _folder(str(row[1])) is not None}


def _folder(uri: str) -> Path | None:
    """Return the folder that a URI names on this machine; None for one elsewhere."""
    split = urlsplit(uri)
    return Path(unquote(split.path)) if split.scheme in ("", "file") and split.netloc in ("", "localhost") else None


def _copied(there: "Connection", here: "Connection", table: "Table", places: Mapping[str, str]) -> int:
    """Copy all rows of a table; return how many."""
    from sqlalchemy import insert, select

    rows = [row._asdict() for row in there.execute(select(table))]
    for column in PLACED.get(table.name, ()):
        for row in rows:
            row[column] = _moved(row[column], places)
    for first in range(0, len(rows), ROWS):
        here.execute(insert(table), rows[first : first + ROWS])
    return len(rows)


def _moved(uri: str | None, places: Mapping[str, str]) -> str | None:
    for old, new in places.items():
        if uri is not None and (uri == old or uri.startswith(f"{old.rstrip('/')}/")):
            return new + uri[len(old.rstrip("/")) :]
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


def _artifacts(place: Place, there: "Connection") -> tuple[int, tuple[str, ...]]:
    """Put the artifacts of all runs into the bucket; return how many there are, and the versions that had none left to bring."""
    from sqlalchemy import text

    folders = {number: folder for number, uri in _experiments(there).items() if (folder := _folder(uri)) is not None}
    versions = there.execute(text("SELECT name, version, source FROM model_versions ORDER BY name, version"))
    without = [
        f"{name}@{version}" for name, version, uri in versions if (at := _folder(uri)) is not None and not at.is_dir()
    ]
    many = 0
    s3 = client(place, BUCKET)
    for number, folder in folders.items():
        for file in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
            with file.open("rb") as source:
                s3.upload_fileobj(source, BUCKET, f"{FOLDER}/{number}/{file.relative_to(folder)}")
            many += 1
    return many, tuple(without)
