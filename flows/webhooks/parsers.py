"""The commands that serve what the registry asks for: `diptych hooks` and `diptych watch`."""

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
    hooks.add_argument(
        "--tell-only", action="store_true", help="have nothing deployed: Prefect is told of each alias, and what follows is for automations of yours"
    )  # fmt: skip
    watch = add("watch", "serve what the alias champion names, whenever somebody sets it; until Ctrl-C", _watch)
    watch.add_argument(
        "--every", type=float, default=5.0, metavar="SECONDS", help="between two looks at the registry (5)"
    )


def _hooks(root: Path, arguments: argparse.Namespace) -> int:
    from flows.webhooks.hooks import hooks

    hooks(root, arguments.port, arguments.url, arguments.rotate, arguments.tell_only)
    return 0


def _watch(root: Path, arguments: argparse.Namespace) -> int:
    from flows.shown_verdict import watched_out
    from flows.webhooks.watch import watch

    watch(root, watched_out, arguments.every)
