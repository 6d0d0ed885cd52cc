"""A drill on the servers of one machine, which are started for it and ended after it."""

import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from components.contracts.errors import DiptychError
from flows.stack.place import USER, Place, is_made
from flows.stack.seen import read_seen
from flows.stack.up import end, up
from tests.flows.test_stack import forget

LOOKS = "monitor/monitor"


def on_stack(
    root: Path,
    drill: Callable[[], dict[str, Any]],
    without: Sequence[str] = ("hooks", "triton"),
    data: Path | None = None,
) -> dict[str, Any]:
    """Return what the drill found; or as `fault` what ended it, with the last that each server said on the screen.

    Servers that do not end are a fault, too, beside what was found, and so is a password of theirs in a log: there real pipelines ran, and things went wrong.

    Args:
        data: where servers keep what they have; in the workspace unless given.
    """
    ended: dict[str, Any] = {}
    try:
        found = _found(root, drill, without, data)
    finally:
        try:
            end(root)
            forget(root)
        except (DiptychError, OSError) as err:
            ended = {"fault": f"{type(err).__name__}: {err}"}
    return ended | found


def _found(
    root: Path, drill: Callable[[], dict[str, Any]], without: Sequence[str], data: Path | None
) -> dict[str, Any]:
    try:
        up(root, data, [*without], say=lambda said: None)
        found = drill()
    except Exception as err:  # whatever it is, what was counted until then is worth the hours that it took
        traceback.print_exc()
        seen = read_seen(root)
        for one in seen.services if seen else ():
            print(f"--- {one.name}\n{Path(one.log).read_text(errors='replace')[-3000:]}", file=sys.stderr)
        found = {"fault": f"{type(err).__name__}: {err}"}
    return found | told(root)


def told(root: Path) -> dict[str, Any]:
    """Return as fault where a password is told, or where nobody could look; nothing where none is."""
    try:
        found = passwords_in_logs(root)
    except (DiptychError, OSError, AssertionError) as err:
        return {} if not is_made(root) else {"fault": f"no log could be looked at: {type(err).__name__}: {err}"}
    return {"fault": f"a password is in {', '.join(found)}"} if found else {}


def passwords_in_logs(root: Path) -> list[str]:
    """Return which of a password is in which log, of servers, stages or what serves."""
    place = Place.read(root)
    said: dict[Path, bytes] = {}
    folders = (place.data / "logs").iterdir(), (root / ".diptych").rglob("*.log"), (root / ".diptych").rglob("log.txt")
    for path in chain(*folders):
        with suppress(OSError):  # one that is put aside meanwhile
            said[path] = path.read_bytes()
    assert any(said.values()), "there is no log to look at"
    return [
        f"{path} ({name})" for path, text in said.items() for name, secret in place.passwords.items() if secret.encode() in text
    ]  # fmt: skip


@contextmanager
def prefect_of(root: Path) -> Iterator[SyncPrefectClient]:
    """Yield a client of the stack's Prefect, which is the one that this process knows while the block runs."""
    its = Place.read(root)
    ours = {
        PREFECT_API_URL: f"{its.url('prefect')}/api",
        PREFECT_API_AUTH_STRING: f"{USER}:{its.passwords['prefect']}",
    }
    with temporary_settings(ours), get_client(sync_client=True) as client:
        yield client


def without_looks(client: SyncPrefectClient) -> None:
    """Have nobody look at what is served every quarter of an hour: a look is a run of its own, and what it finds begins others."""
    client.pause_deployment(client.read_deployment_by_name(LOOKS).id)
