"""The command `diptych hooks`."""

import argparse
from collections.abc import Callable
from pathlib import Path

Add = Callable[[str, str, Callable[[Path, argparse.Namespace], int]], argparse.ArgumentParser]


def add_watching(add: Add) -> None:
    """Add them."""
    hooks = add(
        "hooks", "receive the webhooks of your MLflow server, and have your Prefect server deploy; until Ctrl-C", _hooks
    )
    hooks.add_argument(
        "--port", type=int, metavar="PORT", help="to listen on, on this machine alone; a free one unless given"
    )
    hooks.add_argument(
        "--url", metavar="URL", help="where MLflow sends to, through a proxy of yours; loopback unless given"
    )
    hooks.add_argument(
        "--rotate", action="store_true", help="give the webhook a new secret; the one before is believed until the next time"
    )  # fmt: skip


def _hooks(root: Path, arguments: argparse.Namespace) -> int:
    from flows.hooks import hooks

    hooks(root, arguments.port, arguments.url, arguments.rotate)
    return 0
