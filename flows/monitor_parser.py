"""What `diptych monitor` takes."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

Add = Callable[[str, str, Callable[[Path, argparse.Namespace], int]], argparse.ArgumentParser]


def add_monitor(add: Add) -> None:
    """Add the command."""
    does = "say whether what is asked has drifted, how it is answered, and who died; write its page"
    monitor = add("monitor", does, _monitor)
    monitor.add_argument(
        "--since", type=float, metavar="HOURS", dest="since_h", help="of requests to look at; monitor.window_h of params.yaml unless given"
    )  # fmt: skip
    monitor.add_argument("--json", action="store_true", help="print what was found as JSON")
    monitor.add_argument(
        "--automations",
        action="store_true",
        help="set up, on the Prefect server that PREFECT_API_URL names, what starts a training or a rollback",
    )


def _monitor(root: Path, arguments: argparse.Namespace) -> int:
    from flows.monitored import has_server, monitored

    if arguments.automations:
        from flows.telling.automations import GO_BACK, TRAIN, set_up_automations

        changed = set_up_automations(root, [TRAIN, GO_BACK])
        became = {its.name: "set up" if its.name in changed else "up to date" for its in (TRAIN, GO_BACK)}
        lines = (f"{its.name}: {became[its.name]}. {its.why}" for its in (TRAIN, GO_BACK))
        print(json.dumps(became) if arguments.json else "\n".join(lines))
        return 0
    if has_server(root):
        from flows.orchestrator import prefect_server

        with prefect_server(root):
            from flows.monitor import monitor

            found = monitor(arguments.since_h)
    else:
        found = monitored(root, arguments.since_h).as_json()
    page = root / ".diptych" / "monitor" / "report.html"
    print(json.dumps(found, ensure_ascii=False) if arguments.json else f"{found['sentence']}\nIts page: {page}")
    return 0
