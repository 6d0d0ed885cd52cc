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
    for way, says in (
        ("push", "bring what DVC has of this workspace to its remote, such as S3"),
        ("pull", "fetch what dvc.lock names from the remote, each file held against its hash"),
    ):
        made = _add(looks, every, way, _remote, says, anywhere=False)
        made.set_defaults(way=way)
        made.add_argument("--remote", metavar="NAME", help="of dvc remote list; the default one unless given")
        made.add_argument("--json", action="store_true", help="print what moved as JSON")
    _add_moves(looks, every)


def _add_moves(looks: Any, every: argparse.ArgumentParser) -> None:
    export = _add(
        looks, every, "export", _export, "write a snapshot as FiftyOne reads it, or what Croissant says of it"
    )
    export.add_argument("data", metavar="FOLDER", type=Path, help="a snapshot with its shards, such as data/raw")
    export.add_argument("--as", dest="as_what", choices=("fiftyone", "croissant"), required=True, help="whose")
    export.add_argument("--to", metavar="PATH", type=Path, required=True, help="a new folder; of croissant a new .json")
    export.add_argument("--manifest", metavar="FILE", type=Path, help="of a selection, whose samples alone are written")
    export.add_argument("--name", default="diptych", help="of the data set (diptych)")
    export.add_argument("--json", action="store_true", help="print what was written as JSON")
    tags = _add(looks, every, "tags", _tags, "make a selection of what a person tagged keep or drop in FiftyOne")
    tags.add_argument("folder", metavar="FOLDER", type=Path, help="the data set, exported from FiftyOne again")
    tags.add_argument(
        "--data", metavar="DIR", type=Path, required=True, help="whose samples these are, such as data/validated"
    )
    tags.add_argument("--out", metavar="DIR", type=Path, required=True, help="a new folder, for the selection")
    tags.add_argument("--allow-unknown", action="store_true", help="go on where a tagged key is of no sample")
    tags.add_argument("--json", action="store_true", help="print the counts as JSON")
    wit = _add(looks, every, "wit", _wit, "write a table of WIT (.tsv, .tsv.gz) as Parquet, or back")
    wit.add_argument("table", metavar="FROM", type=Path, help="the table, or its Parquet")
    wit.add_argument(
        "out", metavar="TO", type=Path, help="the other; rows that are none stand beside it, in .quarantine.parquet"
    )
    wit.add_argument("--json", action="store_true", help="print the counts as JSON")


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
    from flows.data.diff import data_diff

    rows = ROWS_AT_ONCE if arguments.rows_at_once is None else arguments.rows_at_once
    data_diff(arguments.before, arguments.after, here, arguments.out, arguments.json, rows)
    return 0


def _remove(root: Path, arguments: argparse.Namespace) -> int:
    from flows.data.check import Told
    from flows.data.remove import data_remove

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


def _remote(root: Path, arguments: argparse.Namespace) -> int:
    from flows.data.remote import data_remote

    data_remote(root, arguments.way, arguments.remote, arguments.json)
    return 0


def _export(here: Path, arguments: argparse.Namespace) -> int:
    from flows.data.moves import export_data

    manifest = None if arguments.manifest is None else here / arguments.manifest
    export_data(here / arguments.data, here / arguments.to, arguments.as_what, arguments.name, manifest, arguments.json)
    return 0


def _wit(here: Path, arguments: argparse.Namespace) -> int:
    from flows.data.moves import data_wit

    data_wit(here / arguments.table, here / arguments.out, arguments.json)
    return 0


def _tags(here: Path, arguments: argparse.Namespace) -> int:
    from flows.data.moves import data_tags

    data_tags(
        here / arguments.folder, here / arguments.data, here / arguments.out, arguments.allow_unknown, arguments.json
    )
    return 0
