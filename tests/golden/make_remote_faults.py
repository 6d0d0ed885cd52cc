"""Write tests/golden/remote_faults.json: what the webdataset package does with each case of tests/remote_faults.py.

    python -m venv /tmp/wds && /tmp/wds/bin/pip install webdataset==0.2.86 pillow numpy
    PYTHONPATH=. /tmp/wds/bin/python tests/golden/make_remote_faults.py

Read as in make_shard_faults.py, by http URLs, which the package hands to curl. A case that is not over after 5 s is stopped. What
comes of a body that ends early differs from run to run, so each case is read RUNS times, and all that came of it is kept.
"""

import json
import tempfile
from importlib.metadata import version
from pathlib import Path

from tests.golden.make_shard_faults import outcome, plain, training
from tests.remote_faults import urls, web_with_shard
from tests.web_server import serving

PLACE = Path(__file__).with_name("remote_faults.json")
RUNS = 4


def main() -> None:
    """Measure and write."""
    told: dict[str, dict[str, set[str]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        nowhere = Path(scratch) / "nowhere"
        for kind, read in [("plain", plain), ("training", training)] * RUNS:
            with serving(web_with_shard(Path(scratch))) as web:
                for what, url in urls(web).items():
                    came = outcome(iter(read(url)), nowhere)
                    told.setdefault(what, {}).setdefault(kind, set()).add(came)
    cases = {what: {kind: " or ".join(sorted(came)) for kind, came in kinds.items()} for what, kinds in told.items()}
    held = {"webdataset": version("webdataset"), "runs": RUNS, "cases": cases}
    PLACE.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
