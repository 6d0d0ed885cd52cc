"""A drill on the servers of one machine, which are started for it and ended after it."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

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
