"""What the drill of nights says of rows that are too old: each that stays is told, however many new ones there are."""

import os
from collections.abc import Iterator
from mmap import PROT_READ, mmap

import pytest
from sqlalchemy import Connection, create_engine, text

from tests.drills.nights import OLD, mapped, old_rows, still_there

COLUMNS = {
    "flow_run": "end_time", **dict.fromkeys(("flow_run_state", "task_run", "log", "artifact"), "flow_run_id"), "task_run_state": "task_run_id",
}  # fmt: skip


@pytest.fixture
def connection() -> Iterator[Connection]:
    """Tables of Prefect's names, with the columns that say whose a row is; in each a row of a run that has ended, and one of a run that has not."""
    with create_engine("sqlite://").connect() as its:
        for table in OLD:
            column = COLUMNS.get(table, "occurred")
            its.execute(text(f'CREATE TABLE "{table}" (id TEXT, {column} TEXT)'))
            for row in ("ended", "scheduled"):
                value = {"end_time": "today" if row == "ended" else None}.get(column, row)
                its.execute(text(f'INSERT INTO "{table}" VALUES (:row, :value)'), {"row": row, "value": value})
        yield its


def test_rows_of_runs_that_have_ended_have_to_go_and_of_others_not(connection):
    rows = old_rows(connection)
    whatever = {"events", "event_resources", "automation_held_event"}
    assert {table: len(its) for table, its in rows.items()} == {table: 2 if table in whatever else 1 for table in OLD}
    assert rows["flow_run"] == rows["task_run_state"] == ["ended"]


@pytest.mark.parametrize("table", OLD)
def test_one_row_that_stays_is_told_and_new_ones_are_not(connection, table):
    rows = old_rows(connection)
    assert still_there(connection, rows) == {name: len(its) for name, its in rows.items()}
    for name in OLD:
        its = "'nothing'" if name == table else "'ended'"
        connection.execute(
            text(f"DELETE FROM \"{name}\" WHERE id = {its} OR (id = 'scheduled' AND :all)"),
            {"all": len(rows[name]) == 2},
        )
        connection.execute(text(f"INSERT INTO \"{name}\" (id) VALUES ('new')"))
    assert still_there(connection, rows) == {table: 1}


def test_what_another_process_has_in_its_memory_is_known_by_its_path(tmp_path):
    for name in ("mine.1", "mine.2", "other"):
        (tmp_path / name).write_bytes(b"x" * 4096)
    prefix = str(tmp_path / "mine.")
    with (
        (tmp_path / "mine.1").open() as mine, mmap(mine.fileno(), 0, prot=PROT_READ),
        (tmp_path / "other").open() as other, mmap(other.fileno(), 0, prot=PROT_READ),
    ):  # fmt: skip
        assert mapped(os.getpid(), prefix) == {f"{prefix}1"}
    assert mapped(os.getpid(), prefix) == set()
    assert mapped(2**22 + 1, prefix) == set(), "of nobody"
