"""A drill on the servers of one machine, which are started for it and ended after it."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from flows.stack.place import USER, Place
from flows.stack.seen import read_seen
from flows.stack.up import end, up
from tests.flows.test_stack import forget


def on_stack(
    root: Path, drill: Callable[[], dict[str, Any]], without: Sequence[str] = ("hooks", "triton")
) -> dict[str, Any]:
    """Return what the drill found; or as `fault` what ended it, with the last that each server said on the screen."""
    try:
        up(root, without=[*without], say=lambda said: None)
        return drill()
    except (TimeoutError, AssertionError) as err:
        seen = read_seen(root)
        for one in seen.services if seen else ():
            print(f"--- {one.name}\n{Path(one.log).read_text(errors='replace')[-3000:]}", file=sys.stderr)
        return {"fault": f"{type(err).__name__}: {err}"}
    finally:
        end(root)
        forget(root)


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
