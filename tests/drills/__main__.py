"""Run one drill: `python -m tests.drills NAME`. Prints one JSON object as its last line; the exit code is 0 where nothing was lost."""

import importlib
import json
import os
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from flows.serving.down import down
from tests.drills.rollouts import DRILLS, Place
from tests.drills.traffic import FAILED, asked_all_the_time

OTHERS = (
    "alias_to_endpoint", "clock", "expired_key", "full_disk", "fuzz_gateway", "mlflow_away", "nights", "s3_away", "s3_pipeline", "server_disk", "soak", "stack",
)  # fmt: skip
"""Modules of drills, which take arguments of their own."""


def main(name: str, *arguments: str) -> int:
    """Drill, print."""
    if name not in DRILLS:
        if not name.isidentifier() or find_spec(f"tests.drills.{name}") is None:
            print(
                f"There is no drill {name!r}. There are {', '.join([*OTHERS, *DRILLS])}.",
                file=sys.stderr,
            )
            return 2
        sys.argv = [name, *arguments]
        importlib.import_module(f"tests.drills.{name}").main()
        return 0
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    began, passed, detail, counts = time.monotonic(), True, "", {FAILED: 0}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        try:
            place = Place.serving(root)
            with asked_all_the_time(root, clients=1) as counts:
                detail = DRILLS[name](place)
                place.succeeds()
            passed = counts[FAILED] == 0
        except AssertionError as err:
            passed, detail = False, f"{type(err).__name__}: {err}"
        finally:
            down(root)
    said = {
        "drill": name, "passed": passed, "lost": counts[FAILED], "asked": sum(counts.values()),
        "seconds": round(time.monotonic() - began, 1), "detail": detail,
    }  # fmt: skip
    print(json.dumps(said))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:] or ("",)))
