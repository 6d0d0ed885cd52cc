"""The numbers of docs/deploying.md, rendered from docs/benchmarks/deploying.json.

python -m tests.benchmarks.deploying_page     # write them there
"""

import json
import re
from pathlib import Path
from typing import Any

from tests.benchmarks.environments import ROOT

PAGE, KEPT = ROOT / "docs/deploying.md", ROOT / "docs/benchmarks/deploying.json"
START, END = "<!-- deploying: python -m tests.benchmarks.deploying_page -->", "<!-- end of deploying -->"


def main() -> None:
    """Write them into the page."""
    PAGE.write_text(with_numbers(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def with_numbers(page: str, kept: Path = KEPT) -> str:
    """Return the page with what was measured in the place for it."""
    shown = said(json.loads(kept.read_text(encoding="utf-8"))) if kept.exists() else "What it takes is not measured."
    return re.sub(f"(?s){START}\n.*?{END}", lambda _: f"{START}\n{shown}\n{END}", page)


def said(kept: dict[str, Any]) -> str:
    """Return what a deploy took, and how many requests failed meanwhile."""
    where = ", ".join(f"{count} in the {what}" for what, count in kept["failed_in"].items())
    return (
        "## What it takes\n"
        f"From the alias, set in the registry while `diptych watch --every 1` runs, to the first answer of the new version: **{kept['without_canary_s']:g} s** without a "
        f"canary, **{kept['with_canary_s']:g} s** with one of two steps of {kept['canary_step_s']:g} s (whose first share answers at once), and {kept['under_load_s']:g} s "
        f"while {kept['clients']} clients ask all the time. `diptych rollback`, from its start to the first old answer, with these clients: "
        f"**{kept['rollback_s']:g} s**. Of {kept['requests']:,} requests during a deploy, one that failed, and a rollback, **{kept['failed']}** failed "
        f"({where}). The model of `clip` at laptop; {kept['machine']}, load {kept['load']:g} at the end; {kept['date']}, commit `{kept['commit']}`, by `{kept['command']}`.\n\n"
        "What goes wrong on the way is drilled on real processes, with a client that asks all the time: `make drill DRILL=deploy_under_load`, `alias_to_endpoint`, "
        "`corrupt_package`, `wrong_signature`, `nan_weights`, `wrong_dimension`, `onnx_that_does_not_load`, `server_killed_mid_load`, `disk_full`, "
        "`two_aliases_at_once`, `registry_locked_at_each_step`."
    )


if __name__ == "__main__":
    main()
