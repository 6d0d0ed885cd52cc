"""`diptych up`: start the servers of a machine, or find that they run; `diptych down` ends them, and their data stays."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from components.contracts.errors import Busy, ConfigError, TransientError
from components.serving.endpoint import read_endpoint
from components.stages.lock import hold
from components.stages.place import private
from flows.claims import Claims
from flows.serving.down import resume
from flows.serving.gateway import ensure_gateway
from flows.stack.place import Place, ended_file, is_made, record_file, unmoved, write_private
from flows.stack.prefect_set_up import set_up, to_deploy
from flows.stack.seen import Seen, keep_settings, read_lost, read_seen
from flows.stack.services import check_left_out, services
from flows.telling.notify import VARIABLE

WITHIN_S = 300.0
STARTS_WITHIN_S = 30.0  # until the supervisor of a start can be found
UP = "up.lock"


def up(root: Path, data: Path | None = None, without: Collection[str] = (), say: Callable[[str], None] = print) -> Seen:
    """Start every server and return how they are, once all are well; asked twice, the second call only looks, and has Prefect know deployments that were edited.

    Args:
        data: where servers keep what they have; where they did last time unless given.
        without: names of `flows.stack.services.OPTIONAL`.
        say: is told what is waited for.

    Raises CapabilityError where a server is not installed, ConfigError for `without` that names none of them, TransientError where one does
    not become well in time: what runs goes on running then.
    """
    check_left_out(without)
    with hold(private(root, "locks") / UP, f"the start of the servers of {root}", wait_s=WITHIN_S):
        return brought_up(root, data, without, say)


def again(root: Path, say: Callable[[str], None] = print) -> Seen | None:
    """Start the servers as they were, where nobody had `diptych down` end them and their supervisor is gone all the same: killed, or with the machine.

    None where they run, where they were ended so, and where nobody ever started any; errors as of `up`. What a shell said of them then, this
    one says too, but for what it says otherwise; passwords and keys are not kept, so who needs some of the shell's has to have them here.
    """
    if _gone(root) is None:  # also while somebody starts them, or restores into them
        return None
    with hold(private(root, "locks") / UP, f"the start of the servers of {root}", wait_s=WITHIN_S):
        if (lost := _gone(root)) is None:
            return None
        keep_settings(lost)
        return brought_up(root, None, lost.without, say)


def _gone(root: Path) -> Seen | None:
    return None if ended_file(root).exists() else read_lost(root)


@contextmanager
def as_if_never_started(root: Path) -> Iterator[None]:
    """Where the block does not end well, whoever interrupts it: end the servers that were started in it, and have nobody know of them afterwards."""
    record = record_file(root)
    before = record.read_text(encoding="utf-8") if record.exists() else None
    were_ended = ended_file(root).exists()
    try:
        yield
    except BaseException:
        try:
            if read_seen(root) is not None:
                end(root, for_good=False)
        finally:  # also of who interrupts that, too
            if were_ended:
                _say_ended(root)
            if before is None:
                record.unlink(missing_ok=True)
            else:
                write_private(record, before)
        raise


def brought_up(root: Path, data: Path | None, without: Collection[str], say: Callable[[str], None]) -> Seen:
    """Do what `up` does, for who holds the lock `UP`."""
    seen = read_seen(root)
    if seen is None:
        with unmoved(root):
            with closing(Claims()) as claims:
                place = Place.of(root, data, claims)
            services(place, without)  # says what is missing before anything runs
            _start(place, without)
    elif (data is not None and data.resolve() != seen.data) or (without and {*without} != {*seen.without}):
        left = f", without {', '.join(seen.without)}" if seen.without else ""
        raise ConfigError(
            f"the servers run already, with their data in {seen.data}{left}. To have them otherwise: diptych down, then this again"
        )
    seen = _all_well(root, say)
    if "triton" not in seen.without:
        try:
            resume(root)
        except Busy:
            say(
                "somebody deploys just now, so that what was stopped is left to that; if nothing is served afterwards: diptych up"
            )
        if read_endpoint(root) is not None:
            ensure_gateway(root)  # whose keeper starts Triton where it does not run
    try:
        # That, or params.yaml, may have been edited.
        if (root / "prefect.yaml").exists() and to_deploy(place := Place.read(root)) is not None:
            set_up(place)
    except TransientError as err:
        say(f"whether deployments were edited was not looked at, which the next diptych up does: {err}")
    return seen


def end(root: Path, for_good: bool = True) -> bool:
    """End all servers but the gateway's, those too that are being started; return whether any ran. TransientError where they do not end.

    Args:
        for_good: whether `again` is to leave them so, however they end.
    """
    if for_good:
        _say_ended(root)
    deadline = time.monotonic() + STARTS_WITHIN_S
    while (seen := read_seen(root)) is None and is_made(root) and _is_starting(root) and time.monotonic() < deadline:
        time.sleep(0.05)
    if seen is None:
        return False
    seen.process.send(signal.SIGTERM)
    if not seen.process.wait(seen.ends_within_s):
        raise TransientError(
            f"the servers of {root} have not ended in {seen.ends_within_s:.0f} s. Process {seen.process.pid} keeps them; kill -9 ends it and all of them."
        )
    if for_good:
        _say_ended(root)  # once more: those that were being started took it away
    return True


def _say_ended(root: Path) -> None:
    with suppress(OSError):  # of a full disk, which keeps nobody from ending them; or there never were any
        ended_file(root).touch()


def _is_starting(root: Path) -> bool:
    try:
        with hold(private(root, "locks") / UP, "the start"):
            return False
    except Busy:
        return True


def _start(place: Place, without: Collection[str]) -> None:
    were_ended = ended_file(place.root).exists()
    ended_file(place.root).unlink(missing_ok=True)
    theirs = {
        name: value for name, value in os.environ.items() if not name.startswith(VARIABLE)
    }  # we alone tell Prefect
    with place.log("supervisor").open("ab") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "flows.stack.supervisor", str(place.root), str(place.data), *without],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=place.root, umask=0o077, env=theirs,
        )  # fmt: skip
    try:
        _wait_for(place, supervisor)
    except BaseException:  # also of who interrupts it before anybody could find what runs
        supervisor.kill()
        supervisor.wait()
        if were_ended:
            _say_ended(place.root)
        raise


def _wait_for(place: Place, supervisor: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + WITHIN_S
    while (seen := read_seen(place.root)) is None or seen.process.pid != supervisor.pid:
        if supervisor.poll() is not None or time.monotonic() > deadline:
            said = place.log("supervisor").read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
            raise TransientError(f"the servers did not start: {' / '.join(said)}")
        time.sleep(0.05)


def _all_well(root: Path, say: Callable[[str], None]) -> Seen:
    deadline, waited = time.monotonic() + WITHIN_S, None
    while True:
        seen = read_seen(root)
        if seen is None:
            raise Busy(f"the servers of {root} were ended while they started. Start them again: diptych up")
        ill = [one for one in seen.services if one.state != "well"]
        if not ill:
            return seen
        if time.monotonic() > deadline or any(one.state == "failed" and one.starts > 2 for one in ill):
            worst = max(ill, key=lambda one: one.starts)
            raise TransientError(
                f"{worst.what} does not become well: {worst.why or worst.state}. {worst.log} has more; diptych doctor may know why. What runs goes "
                "on; diptych down ends it."
            )
        if (now := ", ".join(one.name for one in ill)) != waited:
            say(f"waiting for {now} …")
            waited = now
        time.sleep(0.1)
