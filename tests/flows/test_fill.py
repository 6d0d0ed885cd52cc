"""A database that comes back by what its backup says of it, on a PostgreSQL of its own: rows are compared, and how far a sequence counts is not."""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from components.contracts.errors import DataError, DiptychError
from flows.claims import Claims
from flows.processes import started
from flows.stack.backup import ran
from flows.stack.fill import drop_filled, fill
from flows.stack.place import USER, Place
from flows.stack.postgres import AS_ROOT, DATABASES, admin, as_owner, cluster_of, postgres
from flows.stack.restoring import staged
from flows.stack.rows import moment
from tests.debian_postgres import needs_postgres

NAME = "mlflow"
OWNER = DATABASES[NAME]
WITHIN_S = 60.0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Where PostgreSQL runs, with its databases and none of what is in them."""
    needs_postgres()
    with closing(Claims()) as claims:
        place = Place.of(tmp_path_factory.mktemp("of-rows"), None, claims)
    server, cluster = postgres(place), cluster_of(place)
    try:
        server.prepare()
        with started(server.command, place.log("postgres"), server.environment, server.folder) as process:
            deadline = time.monotonic() + WITHIN_S
            while fault := server.fault():
                assert time.monotonic() < deadline, (fault, place.log("postgres").read_text())
                time.sleep(0.1)
            server.set_up()
            yield place
            process.send_signal(server.ends_by)
            process.wait(WITHIN_S)
    finally:
        if cluster.parent.parent == AS_ROOT:
            shutil.rmtree(cluster.parent, ignore_errors=True)


def does(place: Place, database: str, *queries: str) -> list[tuple[Any, ...]]:
    """Return the rows of the last; in a database of ours as its owner, as servers do."""
    who = admin(place) if database == "postgres" else as_owner(place, OWNER)
    with closing(psycopg2.connect(**who, dbname=database)) as connection:
        connection.autocommit = True
        with connection.cursor() as its:
            for query in queries:
                its.execute(query)
            return its.fetchall() if its.description else []


@pytest.fixture
def table(place: Place) -> Iterator[str]:
    """A table whose rows are numbered by a sequence, with three of them."""
    made = "create table said (id serial primary key, what text)"
    does(place, NAME, made, "insert into said (what) values ('a'), ('b'), ('c')")
    yield "said"
    does(place, NAME, "drop table said")
    drop_filled(place)


def dumped(place: Place, to: Path, *meanwhile: str) -> dict[str, str]:
    """Dump a database as a backup does, and return what it says of it; something happens between both."""
    with moment(place, NAME, OWNER) as now:
        ran(
            place,
            "pg_dump",
            NAME,
            "--format=custom",
            "--no-owner",
            f"--snapshot={now.snapshot}",
            f"--file={to}",
            owner=OWNER,
        )
        does(place, NAME, *meanwhile)
        return now.digests()


def test_numbers_that_are_drawn_while_it_is_dumped_do_not_keep_it_from_coming_back(place, table, tmp_path):
    more = "insert into said (what) values ('d'), ('e')"
    said = dumped(place, tmp_path / "dump", more, "select nextval('said_id_seq')")
    assert set(said) == {"public.said"}
    fill(place, NAME, tmp_path / "dump", said)
    assert does(place, staged(NAME), "select what from said order by id") == [("a",), ("b",), ("c",)]
    assert does(place, staged(NAME), "insert into said (what) values ('d') returning id") == [(4,)]


def test_a_dump_that_wants_to_be_more_than_the_owner_of_its_database_is_not_let(place, tmp_path):
    """What a dump says is run. One that somebody has changed ends the role that it was given, and has PostgreSQL's user run a program."""
    done = Path(tempfile.gettempdir()) / f"of-a-dump-{os.getpid()}"
    does(place, NAME, f"create function told() returns text language sql as $$select '{'x' * 200}'$$")
    try:
        dump = tmp_path / "dump"
        ran(place, "pg_dump", NAME, "--format=custom", "--compress=0", f"--file={dump}")
        changed(dump, "told", f"RESET ROLE; COPY (SELECT 1) TO PROGRAM 'touch {done}';")
        with pytest.raises(DiptychError, match="COPY to or from an external program"):
            fill(place, NAME, dump, None)
        assert not done.exists()
        does(
            place, "postgres", "grant pg_execute_server_program to mlflow"
        )  # it is for want of this that nothing was run
        fill(place, NAME, dump, None)
        assert done.exists()
    finally:
        does(place, "postgres", "revoke pg_execute_server_program from mlflow")
        does(place, NAME, "drop function told()")
        drop_filled(place)
        done.unlink(missing_ok=True)


RUN_BY = "language plpgsql as $$ begin raise exception 'run by %', session_user; end $$"
WAYS = {
    "a sequence that numbers a view": (
        f"create function public.says() returns integer {RUN_BY}", "create view public.v as select public.says() as id", "create sequence public.s owned by public.v.id",
    ),
    "rows that say themselves how they are written": (
        "create table public.t (id integer)", "insert into public.t values (1)", f"create function public.told(public.t) returns text {RUN_BY}",
        "create cast (public.t as text) with function public.told(public.t)",
    ),
    "names before those of PostgreSQL": (
        "create table public.t (id serial primary key)", "insert into public.t default values", "create schema evil", f"create function evil.max(integer) returns integer {RUN_BY}",
        f"create function evil.sha256(bytea) returns bytea {RUN_BY}", f"create function evil.setval(oid, bigint) returns bigint {RUN_BY}",
        f"create function public.pad() returns text language sql as $$select '{'x' * 200}'$$",
    ),
}  # fmt: skip
"""How whoever looks at a database may be had to run what is in it."""


RUN_AS_OWNER = "rows that say themselves how they are written"
LOOKS = dict(
    zip(WAYS, ("select max(id) from public.v", "select (t.*)::text from public.t", "select max(1)"), strict=True)
)
"""What would be run as whoever asks."""


@pytest.mark.parametrize("way", WAYS)
def test_who_looks_at_what_came_back_runs_nothing_of_it_as_administrator(place, tmp_path, monkeypatch, way):
    dump, seen, connect = tmp_path / "dump", set[tuple[str, str]](), psycopg2.connect
    does(place, NAME, *WAYS[way])

    def connecting(**how):
        seen.add((how["user"], how["dbname"]))
        return connect(**how)

    try:
        ran(place, "pg_dump", NAME, "--format=custom", "--compress=0", "--no-owner", f"--file={dump}", owner=OWNER)
        if "pad()" in WAYS[way][-1]:
            changed(dump, "pad", f"ALTER DATABASE {staged(NAME)} SET search_path = evil, pg_catalog, public;")
        monkeypatch.setattr(psycopg2, "connect", connecting)
        try:
            fill(place, NAME, dump, {})
            said = "it came back"
        except DataError as err:
            said = str(err)
        assert "run by" not in said or way == RUN_AS_OWNER, "and that only as its owner"
        assert f"run by {USER}" not in said
        assert {database for user, database in seen if user == USER} <= {"postgres"}
        with pytest.raises(psycopg2.Error, match=f"run by {USER}"), closing(  # which it would be
            psycopg2.connect(**admin(place), dbname=staged(NAME))
        ) as connection, connection.cursor() as its:  # fmt: skip
            its.execute(LOOKS[way])
    finally:
        does(place, NAME, "drop owned by current_user cascade", "create schema if not exists public")
        drop_filled(place)


def changed(dump: Path, function: str, to: str) -> None:
    """Have a dump say something else where it makes a function."""
    data = dump.read_bytes()
    (text,) = re.findall(rb"CREATE FUNCTION public\." + function.encode() + rb"\(\).*?;\n", data, re.DOTALL)
    dump.write_bytes(data.replace(text, to.encode() + b" " * (len(text) - len(to))))


def test_a_password_is_in_no_statement_which_a_fault_would_have_logged(place):
    log = place.log("postgres")
    before = len(log.read_text())
    does(place, "postgres", "alter system set log_statement = 'ddl'", "select pg_reload_conf()")
    try:
        deadline = time.monotonic() + WITHIN_S
        while "alter role" not in (said := log.read_text()[before:]).lower():
            assert time.monotonic() < deadline, said
            postgres(place).set_up()
    finally:
        does(place, "postgres", "alter system reset log_statement", "select pg_reload_conf()")
    assert "SCRAM-SHA-256$" in said
    assert [name for name, secret in place.passwords.items() if secret in said] == []
    for database, owner in DATABASES.items():
        asked = "--tuples-only", "--no-align", "--command=select current_user"
        assert ran(place, "psql", database, *asked, owner=owner).strip() == owner


def test_an_archive_that_says_how_far_sequences_counted_comes_back_too(place, table, tmp_path):
    """As archives did for a while, with a number that was drawn after the dump."""
    said = dumped(place, tmp_path / "dump")
    fill(place, NAME, tmp_path / "dump", {**said, "public.said_id_seq": "0" * 64})
    assert does(place, staged(NAME), "select count(*) from said") == [(3,)]


@pytest.mark.parametrize("change", ["update said set what = 'z' where id = 1", "delete from said where id = 3", "alter table said add more text",
    "create table other (id int)"])  # fmt: skip
def test_other_rows_columns_or_tables_are_refused(place, table, tmp_path, change):
    dumped(place, tmp_path / "dump")
    does(place, NAME, change)
    try:
        with moment(place, NAME, OWNER) as now:
            said = now.digests()
        with pytest.raises(DataError, match=r"does not come back as it was: public\.(said|other) and 0 more tables"):
            fill(place, NAME, tmp_path / "dump", said)
    finally:
        does(place, NAME, "drop table if exists other")


@pytest.mark.parametrize(("numbered", "counts", "follows"), [
    ("serial", "setval('{}', 1)", 8), ("int generated by default as identity", "setval('{}', 7, false)", 8), ("serial", "setval('{}', 40)", 41),
])  # fmt: skip
def test_what_is_added_next_is_numbered_behind_what_came_back(place, tmp_path, numbered, counts, follows):
    """Somebody numbered rows by himself, so that the sequence stands below them; it is where it was if it does not."""
    made = f'create table "Their Rows" ("Its Number" {numbered} primary key, what text)'
    sequence = '"Their Rows_Its Number_seq"'
    does(place, NAME, made, "insert into \"Their Rows\" values (1, 'a'), (7, 'b')",
         f"select {counts.format(sequence)}")  # fmt: skip
    try:
        fill(place, NAME, tmp_path / "dump", dumped(place, tmp_path / "dump"))
        added = does(place, staged(NAME), 'insert into "Their Rows" (what) values (\'c\') returning "Its Number"')
        assert added == [(follows,)]
    finally:
        does(place, NAME, 'drop table "Their Rows"')
        drop_filled(place)


def test_all_that_was_filled_can_be_taken_away(place, table, tmp_path):
    said = dumped(place, tmp_path / "dump")
    fill(place, NAME, tmp_path / "dump", said)
    drop_filled(place)
    there = {name for (name,) in does(place, "postgres", "select datname from pg_database")}
    assert {*DATABASES} <= there
    assert not {staged(name) for name in DATABASES} & there
