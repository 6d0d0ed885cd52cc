"""Pictures looked at by real processes: the same results in the same order, and an end to everything that may go wrong."""

import hashlib
import io
import os
import re
import signal

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from components.contracts.errors import TransientError, is_transient
from components.data.looker import Looker, Lost
from components.data.seeing import AHEAD, PART_PICTURES, seen_in_order
from components.data.seen import Seeing, Seen, see, unseen
from components.data.sight import MEMORY_BYTES, Fatal
from tests.gone import gone
from tests.hostile import HOSTILE


def png(number: int, side: int = 8) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (side, side + number % 3), (number % 256, 0, 9)).save(held, "PNG")
    return held.getvalue()


def children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if Seeing().program[0] in one.cmdline()]


def test_what_is_seen_follows_from_the_bytes_and_the_pixels():
    pixels = hashlib.sha256(b"8x9:" + bytes((1, 0, 9)) * 72).hexdigest()
    whole = hashlib.sha256(png(1)).hexdigest()
    assert see(png(1)) == Seen(sha256=whole, pixel_sha256=pixels, width=8, height=9)
    assert see(b"no picture") == Seen(sha256=hashlib.sha256(b"no picture").hexdigest())


@given(
    items=st.lists(st.one_of(st.none(), st.integers(0, 40), st.binary(max_size=9), st.just(Seen(sha256="known")))),
    processes=st.sampled_from([1, 2, 3]),
)
@settings(max_examples=6)
def test_any_number_of_processes_sees_the_same_in_the_same_order(items, processes):
    given = [(place, png(item) if isinstance(item, int) else item) for place, item in enumerate(items)]
    assert list(seen_in_order(Seeing(), given, processes)) == list(seen_in_order(Seeing(), given, 0))


@pytest.mark.parametrize("processes", [0, 2])
def test_no_more_is_held_than_was_promised(processes):
    taken, most = [], 0

    def items():
        for number in range(40 * PART_PICTURES):
            taken.append(number)
            yield number, png(number)

    for done, (number, _) in enumerate(seen_in_order(Seeing(), items(), processes)):
        assert number == done
        most = max(most, len(taken) - done)
    assert most <= (AHEAD * processes + 1) * PART_PICTURES if processes else most == 1
    assert len(taken) == 40 * PART_PICTURES


def test_large_pictures_are_held_one_by_one():
    data = png(0) + bytes(3 * 2**20)
    taken = []

    def items():
        for number in range(12):
            taken.append(number)
            yield number, data

    for done, _ in enumerate(seen_in_order(Seeing(), items(), 1)):
        assert len(taken) - done <= AHEAD + 1


def test_nothing_runs_on_when_we_stop_listening():
    seen = seen_in_order(Seeing(), ((number, png(number)) for number in range(200)), 2)
    next(seen)
    assert children()
    seen.close()
    assert not children()


def test_an_error_of_the_source_is_that_error_and_nothing_runs_on():
    def items():
        for number in range(100):
            yield number, png(number)
        raise KeyError("the source")

    with pytest.raises(KeyError, match="the source"):
        list(seen_in_order(Seeing(), items(), 2))
    assert not children()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_is_killed_is_an_error_that_says_what_to_do(number):
    def items():
        for place in range(400):
            if place == 100:
                children()[0].send_signal(number)
            yield place, png(place)

    with pytest.raises(TransientError, match=rf"was ended by {number.name} .*Run again.*taskset") as caught:
        list(seen_in_order(Seeing(), items(), 1))
    assert is_transient(caught.value)
    assert not children()


def test_a_process_that_is_stopped_is_ended_and_its_pictures_are_looked_at_again():
    def items():
        for place in range(400):
            if place == 100:
                children()[0].send_signal(signal.SIGSTOP)
            yield place, png(place)

    found = list(seen_in_order(Seeing(), items(), 1, patience_s=5.0))
    assert found == [(place, see(png(place))) for place in range(400)]
    assert not children()


def test_one_that_is_stopped_while_a_large_picture_is_sent_is_ended():
    looker: Looker[Seen] = Looker(Seeing(), patience_s=60.0)
    assert looker.look(png(0)) == see(png(0))
    looker.process.send_signal(signal.SIGSTOP)
    looker.patience_s = 0.1
    with pytest.raises(Lost):
        looker.ask([bytes(8 * 2**20)])
    assert looker.process.wait() == -signal.SIGKILL
    looker.end()


def test_a_picture_that_ends_its_process_cannot_be_decoded_and_the_others_can(hostile):
    """By a crash, an exit of the decoder's own, an endless loop, and memory without end."""
    ends = {3: HOSTILE["crash"], 20: HOSTILE["exit"], 21: HOSTILE["exit"], 30: HOSTILE["hog"], 31: HOSTILE["crash"]}
    given = [(place, ends.get(place) or png(place)) for place in range(40)]
    found = list(seen_in_order(Seeing(), given, 2))
    assert found == [(place, unseen(data) if place in ends else see(data)) for place, data in given]


def fatal_of(looker: Looker[Seen], data: bytes) -> Fatal:
    with pytest.raises(Lost):
        looker.look(data)
    return looker.fatal()


@pytest.mark.parametrize(
    ("kind", "reason", "says"),
    [
        ("crash", "undecodable", "crashes the decoder, whose process ended by SIGSEGV"),
        ("exit", "undecodable", "ended the process that looked at it, with code 3"),
        ("sleep", "too_slow", "came to no end within 1 s"),
    ],
)
def test_how_it_ended_is_said(hostile, kind, reason, says):
    looker: Looker[Seen] = Looker(Seeing(), patience_s=60.0)
    assert looker.look(png(0)) == see(png(0))
    looker.patience_s = 1.0 if kind == "sleep" else 60.0
    fatal = fatal_of(looker, HOSTILE[kind])
    assert (fatal.reason, says in fatal.detail) == (reason, True)


class Brief(Seeing):
    """The same look, for which no picture may take longer than a second of CPU."""

    program = ("tests.components.data.brief_sight",)


def test_a_loop_without_end_is_ended_by_the_clock_of_its_own_process(hostile):
    """Its CPU time counts, so that a picture is none the slower for what else the machine does."""
    looker: Looker[Seen] = Looker(Brief(), patience_s=60.0)
    assert looker.look(png(0)) == see(png(0))
    fatal = fatal_of(looker, HOSTILE["loop"])
    assert (fatal.reason, fatal.detail) == ("too_slow", "looking at it took more CPU time than any sound picture does")


def test_no_process_may_take_much_more_memory_than_the_largest_picture_needs():
    looker: Looker[Seen] = Looker(Seeing(), patience_s=60.0)
    assert looker.look(png(0)) == see(png(0))
    process = psutil.Process(looker.process.pid)
    most, _ = process.rlimit(psutil.RLIMIT_DATA)
    assert MEMORY_BYTES < most < process.memory_info().data + MEMORY_BYTES
    looker.end()


class Nowhere(Seeing):
    """A program that does not begin."""

    program = ("components.data.nowhere",)


def test_one_that_cannot_begin_is_no_fault_of_any_picture(capfd):
    with pytest.raises(TransientError, match=r"did not begin \(exit code 1\)"):
        list(seen_in_order(Nowhere(), [(0, png(0))], 1))
    assert "No module named components.data.nowhere" in capfd.readouterr().err


def test_ctrl_c_is_not_for_the_processes():
    seen = seen_in_order(Seeing(), ((number, png(number)) for number in range(200)), 1)
    next(seen)
    (child,) = children()
    with open(f"/proc/{child.pid}/status") as status:  # noqa: PTH123
        (blocked,) = re.findall(r"SigBlk:\s+(\w+)", status.read())
    assert int(blocked, 16) >> (signal.SIGINT - 1) & 1
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
    seen.close()


def test_they_leave_when_their_starter_is_killed(until):
    out, into = os.pipe()
    starter = os.fork()
    if not starter:
        seen = seen_in_order(Seeing(), ((number, png(number)) for number in range(200)), 1)
        next(seen)
        os.write(into, str(children()[0].pid).encode())
        signal.pause()
        os._exit(0)
    child = psutil.Process(int(os.read(out, 32)))
    assert child.is_running()
    os.kill(starter, signal.SIGKILL)
    os.waitpid(starter, 0)
    until(lambda: gone(child), lambda: child)
    os.close(out)
    os.close(into)
