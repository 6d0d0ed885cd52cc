"""What `diptych lineage`, `diptych takedown` and `diptych reproduce` take."""

import argparse
import json
import sys
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
    takedown = add(
        "takedown", "remove pictures, mark every version that saw them, and have them trained again without", _takedown
    )
    takedown.add_argument("keys", metavar="KEY", nargs="*", help="of a picture, as in data/raw/manifest.parquet")
    takedown.add_argument("--keys", dest="file", metavar="FILE", type=Path, help="a text file with a key a line")
    takedown.add_argument("--reason", metavar="WHY", default="", help="why, which is kept with every version")
    takedown.add_argument("--retrain", action="store_true", help="train again here, and wait, whatever server there is")
    takedown.add_argument("--json", action="store_true", help="print what was done as JSON")
    does = "run the commit of a version on the data that it was made from, and say whether the same model comes out"
    reproduce = add("reproduce", does, _reproduce)
    reproduce.add_argument("version", nargs="+", help="such as clip@3, clip 3 or clip@champion")
    reproduce.add_argument("--keep", metavar="DIR", type=Path, help="a new folder for the checkout, which stays")
    reproduce.add_argument("--json", action="store_true", help="print what was compared as JSON")


def _lineage(root: Path, arguments: argparse.Namespace) -> int:
    from flows.lineage.asked import lineage

    print(lineage(root, arguments.what, arguments.json, arguments.mermaid))
    return 0


def _takedown(root: Path, arguments: argparse.Namespace) -> int:
    from flows.data.check import Told
    from flows.lineage.takedown import takedown

    asked = (arguments.here, arguments.keys, arguments.file, arguments.reason, arguments.retrain, arguments.json)
    for recipe in takedown(root, *asked, progress=Told(sys.stderr, stage="remove")):
        from flows.run import run

        shipped, _ = run(root, recipe)
        if shipped is not None:
            print(shipped.verdict, flush=True)
    return 0


def _reproduce(root: Path, arguments: argparse.Namespace) -> int:
    from flows.lineage.reproduce import reproduce
    from flows.promote import label_of

    keep = None if arguments.keep is None else arguments.here / arguments.keep
    done = reproduce(root, label_of(arguments.version), keep)
    print(json.dumps(done.as_json(), ensure_ascii=False) if arguments.json else done.sentence, flush=True)
    return 0 if done.equal else 1
