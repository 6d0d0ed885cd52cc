"""What `diptych data` takes of versions: diff, remove, tags, and moves to and from what others read."""

import argparse
import sys
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
    remove = _add(
        looks, every, "remove", _remove, "take samples out of data/raw, keep them out, and name every model version that saw them",
        anywhere=False,
    )  # fmt: skip
    remove.add_argument("keys", metavar="KEY", nargs="*", help="of a sample, as in data/raw/manifest.parquet")
    remove.add_argument("--keys", dest="file", metavar="FILE", type=Path, help="a text file with a key a line")
    remove.add_argument("--reason", metavar="TEXT", default="", help="why, for the quarantine and the takedown list")
    remove.add_argument("--allow-unknown", action="store_true", help="go on where a key is of no sample")
    remove.add_argument("--json", action="store_true", help="print what was done as JSON")


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


def _remove(root: Path, arguments: argparse.Namespace) -> int:
    from flows.data_check import Told
    from flows.data_remove import data_remove

    told = Told(sys.stderr, stage="remove")
    data_remove(
        root,
        arguments.here,
        arguments.keys,
        arguments.file,
        arguments.reason,
        arguments.allow_unknown,
        arguments.json,
        told,
    )
    return 0
