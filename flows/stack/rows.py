"""What a database has, as of one moment: a sha256 of the whole rows of each table.

How far a sequence counts is not among it: a sequence goes on in the middle of any transaction, so no moment has it, and a dump says another number
than whoever asks a little later.
"""

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flows.stack.place import Place
from flows.stack.postgres import PLAIN, as_owner

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

_NOT_OURS = ("pg_catalog", "information_schema")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A database as it was when this was made, whatever is written since.

    Args:
        snapshot: by which `pg_dump --snapshot` sees the same.
        cursor: of a transaction that does.
    """

    snapshot: str
    cursor: "cursor"

    def digests(self) -> dict[str, str]:
        """Return schema.table -> sha256 of its columns and of all its rows, whole, in an order that is not that of the disk; nothing of sequences."""
        return dict(self._tables())

    def sequences(self) -> set[str]:
        """Return schema.sequence of each that there is."""
        asked = "select schemaname || '.' || sequencename from pg_sequences where schemaname <> all(%s)"
        return {name for (name,) in self._asked(asked)}

    def _tables(self) -> Iterator[tuple[str, str]]:
        from psycopg2 import sql

        for schema, table in self._asked(
            "select schemaname, tablename from pg_tables where schemaname <> all(%s) order by 1, 2"
        ):
            columns = self._asked(
                "select column_name || ' ' || data_type from information_schema.columns where table_schema = %s and table_name = %s "
                "order by ordinal_position", schema, table,
            )  # fmt: skip
            digest = hashlib.sha256("\n".join(str(one) for (one,) in columns).encode())
            query = sql.SQL(
                "copy (select encode(sha256(convert_to((one.*)::text, 'UTF8')), 'hex') from {} as one order by 1) to stdout"
            ).format(sql.Identifier(schema, table))
            self.cursor.copy_expert(query, _Into(digest))
            yield f"{schema}.{table}", digest.hexdigest()

    def _asked(self, query: str, *given: str) -> list[tuple[Any, ...]]:
        self.cursor.execute(query, given or (list(_NOT_OURS),))
        return self.cursor.fetchall()


class _Into:
    """A file that is written into a digest, and kept nowhere."""

    def __init__(self, digest: "hashlib._Hash") -> None:
        self._digest = digest

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        return len(data)


@contextmanager
def moment(place: Place, database: str, owner: str) -> Iterator[Moment]:
    """Yield a database as it is now, for as long as the block lasts, as its owner sees it: what is in it may be somebody else's."""
    import psycopg2

    with closing(psycopg2.connect(**as_owner(place, owner), dbname=database, options=PLAIN)) as connection:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as its:
            its.execute("select pg_export_snapshot()")
            (snapshot,) = its.fetchone() or ("",)
            yield Moment(snapshot=str(snapshot), cursor=its)
