"""A database that is filled under another name, beside the one that servers use, and held against what its backup says of it."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from components.contracts.errors import DataError, TransientError
from flows.stack.backup import ran
from flows.stack.place import Place
from flows.stack.postgres import DATABASES, PLAIN, admin, as_owner
from flows.stack.restoring import staged
from flows.stack.rows import moment

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

_NUMBERED = """
select s.oid, sn.nspname, s.relname, tn.nspname, t.relname, a.attname from pg_sequence q
join pg_class s on s.oid = q.seqrelid join pg_namespace sn on sn.oid = s.relnamespace
join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = s.oid and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')
join pg_class t on t.oid = d.refobjid join pg_namespace tn on tn.oid = t.relnamespace
join pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
where q.seqincrement > 0 and t.relkind in ('r', 'p')
"""
"""Each sequence that counts up, and the column of a table that it numbers; of a view's a look would run what the view says."""


def fill(place: Place, database: str, dump: Path, said: Mapping[str, str] | None) -> None:
    """Fill a database under another name, as its owner and never as administrator: a dump is a program. DataError where its tables have other columns or rows than when it was dumped.

    A sequence is compared with nothing, since a dump has it as it was a moment later than the rows. One that stands below the largest id of its
    column, by which the next row would be refused, goes on behind that id.

    Args:
        said: table -> sha256, as of `Moment.digests`; None where the archive does not say it.
    """
    import psycopg2
    from psycopg2 import sql

    name, owner = staged(database), DATABASES[database]
    with _connected(admin(place), "postgres") as its:
        its.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
        its.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(owner)))
    ran(place, "pg_restore", name, "--no-owner", "--single-transaction", str(dump), owner=owner)
    try:
        _count_on(place, name, owner)
        if said is None:
            return
        with moment(place, name, owner) as now:
            found, numbers = now.digests(), now.sequences()
    except psycopg2.OperationalError as err:  # no room, or gone: that says nothing of the archive
        raise TransientError(
            f"the database {database} could not be looked at: {str(err).strip()[:300]}. Restore again."
        ) from err
    except psycopg2.Error as err:  # a look runs what the database says of itself
        raise DataError(
            f"the database {database} came back so that it cannot be looked at ({str(err).strip()[:300]}). Nothing here was changed. Take another backup."
        ) from err
    if differ := sorted(one for one in {*found, *said} - numbers if found.get(one) != said.get(one)):
        raise DataError(
            f"the database {database} does not come back as it was: {differ[0]} and {len(differ) - 1} more tables have other rows than when it was backed up. "
            "Nothing here was changed. Take another backup."
        )


def drop_filled(place: Place) -> None:
    """Take away all databases that were filled."""
    from psycopg2 import sql

    with _connected(admin(place), "postgres") as its:
        for name in map(staged, DATABASES):
            its.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _count_on(place: Place, database: str, owner: str) -> None:
    """Have each sequence that stands below the largest id of its column go on behind it."""
    from psycopg2 import sql

    with _connected(as_owner(place, owner), database) as its:
        its.execute(_NUMBERED)
        for number, of_sequence, sequence, of_table, table, column in its.fetchall():
            query = sql.SQL(
                "select setval(%s::oid::regclass, ids.largest) from (select max({column}) as largest from {table}) as ids, {sequence} as counts "
                "where ids.largest > counts.last_value or (ids.largest = counts.last_value and not counts.is_called)"
            ).format(
                column=sql.Identifier(column), table=sql.Identifier(of_table, table), sequence=sql.Identifier(of_sequence, sequence)
            )  # fmt: skip
            its.execute(query, (number,))


@contextmanager
def _connected(who: Mapping[str, str], database: str) -> Iterator["cursor"]:
    """Yield a cursor outside of a transaction, in which databases are made."""
    import psycopg2

    with closing(psycopg2.connect(**who, dbname=database, options=PLAIN)) as connection:
        connection.autocommit = True
        with connection.cursor() as its:
            yield its
