"""What `diptych data` takes of versions: diff, remove, tags, and moves to and from what others read."""

import argparse
from pathlib import Path
from typing import Any


def add_versions(looks: "argparse._SubParsersAction[argparse.ArgumentParser]", every: argparse.ArgumentParser) -> None:
    """Add the commands to `diptych data`."""
    diff = _add(
        looks, every, "diff", _diff, "say which samples two versions of data have, and in what those of both differ"
    )
    for name in ("before", "after"):
        diff.add_argument(
            name, metavar=name.upper(),
            help="a folder such as data/raw, a revision such as HEAD~1 or HEAD~1:data/curated/clip, or a digest",
        )  # fmt: skip
    diff.add_argument("--out", metavar="FILE", type=Path, help="a new .parquet file, for a row a difference")
    diff.add_argument("--rows-at-once", metavar="N", type=int, help="rows of each side in memory at once (250,000)")
    diff.add_argument("--json", action="store_true", help="print the counts as JSON")


def _add(
    looks: Any, every: argparse.ArgumentParser, name: str, command: Any, says: str, anywhere: bool = True
) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = looks.add_parser(
        name, help=says, description=f"{says[0].upper()}{says[1:]}.", parents=[every]
    )
    made.set_defaults(command=command, anywhere=anywhere)
    return made


def _diff(here: Path, arguments: argparse.Namespace) -> int:
    from components.data.versions.difference import ROWS_AT_ONCE
    from flows.data_diff import data_diff

    rows = ROWS_AT_ONCE if arguments.rows_at_once is None else arguments.rows_at_once
    data_diff(arguments.before, arguments.after, here, arguments.out, arguments.json, rows)
    return 0
