"""Checkouts brought up to date several at once: each by a process of its own, which has its part of the cores.

`python -m flows.proving.at_once PLACE RECIPE UNTIL CORE,CORE` is one of them.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from subprocess import Popen
from typing import NamedTuple

from components.contracts import errors
from components.contracts.errors import ConfigError, DiptychError
from components.data.processes import cores
from flows.processes import started
from flows.workspace import Workspace

Key = tuple[str, int]
"""An arm and its seed."""

LOOK_EVERY_S = 0.2
OURS = Path(__file__).parents[2]  # the code that runs, whatever a checkout has


class Checkout(NamedTuple):
    """A place, the recipe that is run in it, and the last stage of it."""

    place: Path
    recipe: str
    until: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Todo:
    """A checkout to come.

    Args:
        after: those that have to be whole before.
        make: makes it; called here, one at a time.
        log: what its process says.
    """

    after: frozenset[Key]
    make: Callable[[], Checkout]
    log: Path


def bring_up(checkout: Checkout) -> None:
    """Bring one up to date, here; what is up to date is left alone."""
    before = Path.cwd()
    os.chdir(checkout.place)  # DVC names paths from there
    try:
        with Workspace.here(checkout.recipe, checkout.place) as workspace:
            for its, stage in workspace.work(checkout.until):
                its.repro(stage)
    finally:
        os.chdir(before)


def bring_up_all(todo: Mapping[Key, Todo], at_once: int) -> Iterator[tuple[Key, Checkout, float]]:
    """Bring all up to date, and yield each as it is whole, with the seconds that it took.

    Args:
        at_once: how many side by side; one is run in this process, so that who watches it sees how far it is.

    Raises ConfigError for fewer than one or more than the cores, and what ended a checkout; the others are then stopped.
    """
    if not 1 <= at_once <= cores():
        raise ConfigError(
            f"--jobs {at_once}: each needs a core, and {cores()} are here. Give 1 to {cores()}, or leave it out."
        )
    if at_once == 1:
        for key, its in todo.items():
            began, checkout = time.monotonic(), its.make()
            bring_up(checkout)
            yield key, checkout, time.monotonic() - began
        return
    # Each has as many cores as the others, also while it is alone, or what steps take could not be held against each other.
    count = max(1, min(at_once, len(todo)))
    shares = [",".join(map(str, mine)) for mine in parts(sorted(os.sched_getaffinity(0)), count)]
    left, whole, going = dict(todo), set[Key](), dict[Key, _Going]()
    with ExitStack() as everything:
        while left or going:
            for key in [one for one, its in left.items() if its.after <= whole][: len(shares)]:
                going[key] = _begin(left.pop(key), shares.pop(), everything)
            for key, one in list(going.items()):
                if one.process.poll() is None:
                    continue
                del going[key]
                one.ends.close()
                shares.append(one.share)
                if one.process.returncode:
                    raise _error(one)
                whole.add(key)
                yield key, one.checkout, time.monotonic() - one.began
            time.sleep(LOOK_EVERY_S)


def parts(numbers: list[int], count: int) -> list[list[int]]:
    """Return numbers in so many parts of neighbours, of which none is longer than another by more than one."""
    cuts = [len(numbers) * one // count for one in range(count + 1)]
    return [numbers[low:high] for low, high in pairwise(cuts)]


class _Going(NamedTuple):
    checkout: Checkout
    process: "Popen[bytes]"
    share: str
    began: float
    ends: ExitStack
    log: Path


def _begin(todo: Todo, share: str, everything: ExitStack) -> _Going:
    checkout = todo.make()
    todo.log.write_text("")
    ends = everything.enter_context(ExitStack())
    command = [
        sys.executable,
        "-P",
        "-m",
        "flows.proving.at_once",
        str(checkout.place),
        checkout.recipe,
        checkout.until,
        share,
    ]
    process = ends.enter_context(started(command, todo.log, {"PYTHONPATH": str(OURS)}, checkout.place))
    return _Going(checkout, process, share, time.monotonic(), ends, todo.log)


def _error(one: _Going) -> Exception:
    """Return what ended a checkout, by the class that its last line names."""
    lines = one.log.read_text(errors="replace").strip().splitlines() or [f"exit code {one.process.returncode}"]
    name, _, said = lines[-1].partition(": ")
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, DiptychError):
        return kind(f"{said} (log in {one.log})")
    return DiptychError(f"{lines[-1]} (log in {one.log})")


def main(arguments: list[str]) -> int:
    """Bring a checkout up to date, and say why not in the last line."""
    place, recipe, until, share = arguments
    os.sched_setaffinity(0, {int(core) for core in share.split(",")})
    try:
        bring_up(Checkout(Path(place), recipe, until))
    except DiptychError as err:
        print(f"{type(err).__name__}: {' '.join(str(err).split())}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
