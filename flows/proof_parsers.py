"""The commands `diptych prove` and `diptych compare`: what they take, and what they print. What each does is in the file of its name."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

Command = Callable[[Path, argparse.Namespace], int]
Add = Callable[[str, str, Command], argparse.ArgumentParser]


def add_proofs(add: Add) -> None:
    """Add both; `add` takes a name, what it does and what runs it."""
    prove = add("prove", "put a recipe's claim to the test, seed by seed, and say whether it holds", _prove)
    prove.add_argument("name", metavar="NAME", help="a recipe whose card has a proof")
    prove.add_argument("--seeds", metavar="N,N", help="in place of the card's, such as 0,1,2,3,4")
    compare = add("compare", "train recipes side by side, each for as much computing as the first", _compare)
    compare.add_argument(
        "names", metavar="NAME", nargs="+",
        help="recipes, or clip+clip_refine:40 for clip, and from its model 40 steps of clip_refine",
    )  # fmt: skip
    compare.add_argument(
        "--data", metavar="SOURCE", help="a source's name, such as scenes; the English emoji unless given"
    )
    compare.add_argument("--scale", metavar="NAME", default="laptop", help="of components/recipes/scales (laptop)")
    compare.add_argument("--steps", metavar="N", type=int, help="of the first, in place of the scale's")
    compare.add_argument("--seeds", metavar="N,N", default="0,1,2", help="each is trained once for each (0,1,2)")
    compare.add_argument("--to", metavar="FILE", type=Path, help="where the table is written, too")
    for one, what in ((prove, "verdict"), (compare, "table")):
        one.add_argument("--keep", action="store_true", help="leave the checkouts in .diptych/proofs, to be looked at")
        one.add_argument("--json", action="store_true", help=f"print the {what} as JSON")


def _prove(root: Path, arguments: argparse.Namespace) -> int:
    from flows.prove import lines, prove, seeds_of

    said = prove(root, arguments.name, seeds=seeds_of(arguments.seeds), keep=arguments.keep)
    print(json.dumps(said) if arguments.json else "\n".join(lines(said)), flush=True)
    return 0


def _compare(root: Path, arguments: argparse.Namespace) -> int:
    from flows.compare import compare, lines
    from flows.prove import seeds_of

    seeds = seeds_of(arguments.seeds) or ()
    source = {"name": arguments.data} if arguments.data else None
    said = compare(
        root,
        arguments.names,
        scale=arguments.scale,
        seeds=seeds,
        source=source,
        steps=arguments.steps,
        keep=arguments.keep,
    )
    asked = {"data": arguments.data, "scale": arguments.scale, "steps": arguments.steps, "seeds": arguments.seeds}
    flags = (f"--{name} {value}" for name, value in asked.items() if value is not None)
    command = " ".join(("diptych compare", *arguments.names, *flags))
    said = {"command": command, **said}
    if arguments.to:
        (arguments.here / arguments.to).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said) if arguments.json else "\n".join(lines(said)), flush=True)
    return 0
