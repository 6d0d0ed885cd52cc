"""Signals wait for the end of a piece of work, and not without end."""

import os
import signal

import pytest

from components.contracts.errors import Interrupted
from components.stages import signals as module


def term() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_in_a_piece_of_work_is_raised_where_progress_is_told(signals):
    done = []
    progress = signals.at_once(lambda doing, count, total, **seen: signals.check())

    def work() -> None:
        with signals.between_pieces():
            progress("step", 1, 2)
            term()
            done.append("the piece")
            progress("step", 2, 2)
            done.append("more")

    with pytest.raises(Interrupted, match="SIGTERM"):
        work()
    assert done == ["the piece"]


def test_a_signal_while_progress_is_told_is_raised_at_once(signals):
    done = []

    def slow(doing: str, count: int, total: int, **seen: float) -> None:
        term()
        done.append("told")

    with pytest.raises(Interrupted), signals.between_pieces():
        signals.at_once(slow)("step", 1, 2)
    assert done == []


def test_a_second_signal_does_not_wait(signals):
    with signals.between_pieces():
        term()
        with pytest.raises(Interrupted):
            term()


def test_a_piece_that_takes_too_long_is_cut_short(signals, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)

    def work() -> None:
        term()
        while True:
            signal.pause()

    with pytest.raises(Interrupted), signals.between_pieces():
        work()


def test_what_must_be_whole_is_not_cut_short_by_patience(signals, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    done = []

    def work() -> None:
        term()
        with signals.held():
            while signal.getitimer(signal.ITIMER_REAL)[0]:
                pass
            done.append("renamed")

    with pytest.raises(Interrupted), signals.between_pieces():
        work()
    assert done == ["renamed"]


def test_outside_of_the_block_a_signal_is_raised_at_once(signals):
    with signals.between_pieces():
        pass
    with pytest.raises(Interrupted):
        term()
