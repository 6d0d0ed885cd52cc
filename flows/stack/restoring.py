"""A restore that is under way, or was ended in the middle: a mark among the data says so, and nothing of it is in use before all of it is there.

Databases are filled under other names, beside those that servers use. When all is whole the servers end, the mark says `filled`, and the next start
puts databases and passwords in their places before any server but PostgreSQL runs. Whatever ends that, the start after it does it again.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from components.contracts.errors import StaleArtifact
from components.serving.process import ProcessId
from flows.stack.place import Place, is_made, write_private

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

MARK, STAGED = "restoring.json", "restored-passwords.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoring:
    """A restore that has begun.

    Args:
        file: the archive.
        began: when, UTC.
        process: who does it.
        objects: bucket/key of whatever it puts into buckets.
        filled: whether all of it is there, and only has to take its place.
    """

    file: str
    began: str
    process: ProcessId
    objects: tuple[str, ...]
    filled: bool = False

    @property
    def says(self) -> str:
        """Return what a person should know of it."""
        if self.filled:
            return f"all that {self.file} has is here, and takes its place at the next start: diptych up"
        if self.process.is_alive():
            return f"process {self.process.pid} restores {self.file}; until it has ended nothing of it is in use"
        return (
            f"a restore of {self.file}, begun at {self.began}, was ended in the middle. Databases are as they were before, and nothing of it is in use. Do it "
            f"again: diptych restore {self.file}"
        )


def read_restoring(data: Path) -> Restoring | None:
    """Return the restore that has not ended as it should; None where there is none. StaleArtifact for a mark that cannot be read."""
    try:
        said = json.loads((data / MARK).read_text(encoding="utf-8"))
        return Restoring(
            file=said["file"], began=said["began"], process=ProcessId(**said["process"]), objects=tuple(said["objects"]), filled=bool(said["filled"])
        )  # fmt: skip
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as err:
        raise StaleArtifact(
            f"{data / MARK} cannot be read ({type(err).__name__}: {err}), so a restore may be half done. Restore again into new servers: diptych up --data DIR"
        ) from err


def said_of_restoring(root: Path) -> str:
    """Return what a person should know of a restore into the servers of a workspace that has not ended as it should; empty where there is none.

    Of a mark that cannot be read it is that, so that whoever asks how all stands hears the rest too.
    """
    if not is_made(root):
        return ""
    place = Place.read(root)
    try:
        restoring = read_restoring(place.data)
    except StaleArtifact as err:
        return str(err)
    return restoring.says if restoring else ""


def write_restoring(data: Path, restoring: Restoring) -> None:
    """Write the mark, whole or not at all."""
    write_private(data / MARK, json.dumps(asdict(restoring)) + "\n")


def forget_restoring(data: Path) -> None:
    """Take the mark away, and then nothing is left to do."""
    (data / STAGED).unlink(missing_ok=True)
    (data / MARK).unlink(missing_ok=True)


def staged(database: str) -> str:
    """Return the name that a database is filled under."""
    return f"{database}_restored"


def with_restored_passwords(place: Place) -> Place:
    """Return the place with the passwords that a restore brought, and keep them, where one has only to take its place."""
    restoring, file = read_restoring(place.data), place.data / STAGED
    if restoring is None or not restoring.filled or not file.exists():
        return place
    passwords = {**place.passwords, **json.loads(file.read_text(encoding="utf-8"))}
    write_private(place.keys, json.dumps(passwords, indent=2) + "\n")
    return replace(place, passwords=passwords)


def put_in_place(place: Place, its: "cursor", databases: tuple[str, ...]) -> None:
    """Have each database that was filled take the place of the one before, where all are whole; done as often as it takes.

    Args:
        its: a cursor of PostgreSQL's administrator, outside of a transaction.
    """
    restoring = read_restoring(place.data)
    if restoring is None or not restoring.filled:
        return
    from psycopg2 import sql

    for name in databases:
        if exists(its, staged(name)):
            its.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
            its.execute(
                sql.SQL("alter database {} rename to {}").format(sql.Identifier(staged(name)), sql.Identifier(name))
            )
    forget_restoring(place.data)


def exists(its: "cursor", database: str) -> bool:
    """Return whether there is a database of that name."""
    its.execute("select 1 from pg_database where datname = %s", (database,))
    return its.fetchone() is not None
