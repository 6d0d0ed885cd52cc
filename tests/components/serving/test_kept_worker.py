"""Whoever fails is tried again ever later, a minute at most, and from a second on again once it has gone well."""

import os
import re
import signal
import socket
import time

import pytest

from components.serving import kept_worker
from components.serving.kept_worker import LONGEST_WAIT_S, STEADY_S, Backoff, Worker


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_each_failure_in_a_row_doubles_the_wait_up_to_a_minute(clock):
    backoff = Backoff()
    assert [backoff.failed() for _ in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert LONGEST_WAIT_S == 60


def test_it_is_time_at_once_at_first_and_after_a_failure_when_the_wait_is_over(clock):
    backoff = Backoff()
    assert backoff.ready()
    for _ in range(3):
        wait_s = backoff.failed()
        clock[0] += wait_s - 0.01
        assert not backoff.ready()
        clock[0] += 0.01
        assert backoff.ready()


def test_what_went_well_begins_with_a_second_again(clock):
    backoff = Backoff()
    for _ in range(5):
        backoff.failed()
    backoff.went_well()
    assert [backoff.failed(), backoff.failed()] == [1, 2]


@pytest.fixture
def failing(clock):
    """A worker that ends as soon as it starts, and what it is started with: it is told of no settings."""
    worker = Worker(hang_s=30)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield worker, (listening.fileno(), {"PATH": os.environ["PATH"]})
        worker.let_go()
        worker.wait()


def ended(worker, command) -> None:
    """Wait until the worker's process has ended, and have the worker notice."""
    worker._process.wait(60)
    worker.look_after(command)
    assert worker._process is None


def waits(capfd) -> list[int]:
    """Return how long the keeper's log says that each wait is, in seconds."""
    return [int(one) for one in re.findall(r"another starts in (\d+) s", capfd.readouterr().out)]


def test_a_worker_that_ends_is_started_again_when_its_wait_is_over_and_not_before(failing, clock, capfd):
    worker, command = failing
    worker.look_after(command)
    for wait_s in (1, 2, 4):
        ended(worker, command)
        clock[0] += wait_s - 0.01
        worker.look_after(command)
        assert worker._process is None, "started before it was time"
        clock[0] += 0.02
        worker.look_after(command)
        assert worker._process is not None, "not started though it was time"
    assert waits(capfd) == [1, 2, 4]


def test_a_worker_that_ran_for_long_counts_as_one_that_ended_once(failing, clock, capfd):
    worker, command = failing
    worker.look_after(command)
    for _ in range(2):
        ended(worker, command)
        clock[0] += 10
        worker.look_after(command)
    clock[0] += STEADY_S + 1
    ended(worker, command)
    assert waits(capfd) == [1, 2, 1]


@pytest.fixture
def vmstat(monkeypatch, tmp_path):
    """Where the system says how many processes it has ended for want of memory."""
    path = tmp_path / "vmstat"
    path.write_text("nr_free_pages 7\noom_kill 3\n")
    monkeypatch.setattr(kept_worker, "VMSTAT", path)
    return path


def test_one_that_the_system_ends_for_want_of_memory_broke(failing, vmstat, capfd):
    worker, command = failing
    worker.look_after(command)
    vmstat.write_text("nr_free_pages 0\noom_kill 4\n")
    worker._process.send_signal(signal.SIGKILL)
    worker._process.wait(60)
    assert worker.look_after(command), "whoever comes in its place takes as much again"
    assert worker.broke
    assert "a worker ended with code -9, since memory had run out; another starts in 1 s" in capfd.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_one_that_somebody_ends_did_not_break(failing, vmstat, capfd, number):
    worker, command = failing
    worker.look_after(command)
    vmstat.write_text("oom_kill 4\n")  # somebody else's
    worker.look_after(command)
    if number == signal.SIGTERM:
        vmstat.unlink()
    worker._process.send_signal(number)
    worker._process.wait(60)
    assert not worker.look_after(command)
    assert f"a worker ended with code {-number}; another starts in 1 s" in capfd.readouterr().out
