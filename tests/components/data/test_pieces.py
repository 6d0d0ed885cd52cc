"""Pieces at once: the order stays, the first fault ends all, and whoever asked for threads that give way does not."""

import threading
import time

import pyarrow as pa
import pytest

from components.data.pieces import Threads, pieces


def test_a_table_is_cut_and_nothing_is_lost():
    table = pa.table({"at": range(10)})
    cut = list(pieces(table, 4))
    assert [len(piece) for piece in cut] == [4, 4, 2]
    assert pa.concat_tables(cut).equals(table)
    assert list(pieces(table.slice(0, 0), 4)) == []


def test_several_work_at_once_and_their_order_is_that_of_the_pieces():
    both = threading.Barrier(2, timeout=30)  # nobody passes alone

    def work(at: int) -> int:
        both.wait()
        return at * at

    with Threads(2) as pool:
        assert list(pool.each(work, range(8))) == [at * at for at in range(8)]


def test_after_a_fault_what_has_not_begun_does_not_begin():
    begun = []

    def work(at: int) -> None:
        begun.append(at)
        if at == 1:
            raise ValueError("broken")
        time.sleep(0.02)  # the work

    with pytest.raises(ValueError, match="broken"), Threads(1) as pool:
        for _ in pool.each(work, range(1000)):
            pass
    assert begun[:2] == [0, 1]
    assert len(begun) < 1000
