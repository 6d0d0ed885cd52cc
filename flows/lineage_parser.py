"""What `diptych lineage` takes."""

import argparse
from collections.abc import Callable
from pathlib import Path

Add = Callable[[str, str, Callable[[Path, argparse.Namespace], int]], argparse.ArgumentParser]


def add_lineage(add: Add) -> None:
    """Add the commands that ask where things come from."""
    lineage = add("lineage", "say where a model, its data or a picture comes from, and where it went", _lineage)
    lineage.add_argument(
        "what", metavar="WHAT",
        help="champion, an alias or version such as clip@3, a run, a digest of data or of a package, a commit, an endpoint's address or the "
        "word endpoint, or the key of a picture",
    )  # fmt: skip
    shown = lineage.add_mutually_exclusive_group()
    shown.add_argument("--json", action="store_true", help="print it as JSON")
    shown.add_argument("--mermaid", action="store_true", help="print it as a picture that Mermaid draws")


def _lineage(root: Path, arguments: argparse.Namespace) -> int:
    from flows.lineage_asked import lineage

    print(lineage(root, arguments.what, arguments.json, arguments.mermaid))
    return 0
