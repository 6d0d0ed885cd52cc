"""The commands `diptych prove`, `compare` and `grow`: what they take, and what they print. What each does is in a file of its own."""

import argparse
import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from flows.seed_said import seed

SCALE = "laptop"
Command = Callable[[Path, argparse.Namespace], int]
Add = Callable[[str, str, Command], argparse.ArgumentParser]


def add_proofs(add: Add) -> None:
    """Add all; `add` takes a name, what it does and what runs it."""
    prove = add("prove", "put a recipe's claim to the test, seed by seed, and say whether it holds", _prove)
    prove.add_argument("name", metavar="NAME", help="a recipe whose card has a proof")
    prove.add_argument("--seeds", metavar="N,N", help="in place of the card's, such as 0,1,2,3,4")
    compare = add("compare", "train recipes side by side, each for as much computing as the first", _compare)
    compare.add_argument(
        "names", metavar="NAME", nargs="+",
        help="recipes, or clip+clip_refine:40 for clip, and from its model 40 steps of clip_refine",
    )  # fmt: skip
    compare.add_argument("--steps", metavar="N", type=int, help="of the first, in place of the scale's")
    compare.add_argument("--seeds", metavar="N,N", default="0,1,2", help="each is trained once for each (0,1,2)")
    swept = add("sweep", "compare recipes, and make a leaderboard of them: a page, and an experiment in MLflow", _sweep)
    swept.add_argument("names", metavar="NAME", nargs="*", help="as of diptych compare")
    swept.add_argument(
        "--plan", metavar="FILE", type=Path,
        help="rows, columns and claims that were written down and committed before, in place of names; numbers and tables go beside it",
    )  # fmt: skip
    swept.add_argument("--columns", metavar="NAME", nargs="+", default=(), help="some of the plan's, or calibration")
    swept.add_argument(
        "--page", action="store_true", help="of a plan: run nothing, and judge and show again what was found, by whichever code"
    )  # fmt: skip
    swept.add_argument("--steps", metavar="N", type=int, help="of the first, in place of the scale's")
    swept.add_argument("--seeds", metavar="N", type=int, help="how many (3)")
    swept.add_argument(
        "--price", metavar="PRICE", type=float, dest="price_per_hour", help="of a core for an hour, in any currency"
    )
    for one, usual in ((compare, "1"), (swept, "one a core; 1 with a GPU")):
        one.add_argument(
            "--jobs", metavar="N", type=int, dest="at_once", help=f"how many are trained side by side ({usual})"
        )
    grow = add("grow", "train a model on data that arrives bit by bit, and let it grow where that helps most", _grow)
    grow.add_argument("name", metavar="NAME", help="a recipe whose model has shared blocks, such as growclip")
    grow.add_argument(
        "arrivals", metavar="WHERE", nargs="+",
        help="of each arrival, which samples are there by then, such as 'source == \"noto\"'; two or more",
    )  # fmt: skip
    grow.add_argument("--steps", metavar="N", type=int, help="at each arrival, in place of the scale's")
    grow.add_argument("--seed", metavar="N", type=seed, default=0, help="of splits, weights and draws (0)")
    for one in (compare, swept, grow):
        one.add_argument(
            "--data", metavar="SOURCE", help="a source's name, such as scenes; the English emoji unless given"
        )
        one.add_argument("--scale", metavar="NAME", help=f"of components/recipes/scales ({SCALE})")
        one.add_argument("--to", metavar="FILE", type=Path, help="where the table is written, too")
    for one, what in ((prove, "verdict"), (compare, "table"), (swept, "leaderboard"), (grow, "table")):
        one.add_argument("--keep", action="store_true", help="leave the checkouts in .diptych/proofs, to be looked at")
        one.add_argument("--json", action="store_true", help=f"print the {what} as JSON")


def _prove(root: Path, arguments: argparse.Namespace) -> int:
    from flows.proving.prove import lines, prove, seeds_of

    said = prove(root, arguments.name, seeds=seeds_of(arguments.seeds), keep=arguments.keep)
    print(json.dumps(said) if arguments.json else "\n".join(lines(said)), flush=True)
    return 0


def _compare(root: Path, arguments: argparse.Namespace) -> int:
    from flows.proving.compare import compare, lines
    from flows.proving.prove import seeds_of

    seeds = seeds_of(arguments.seeds) or ()
    source = {"name": arguments.data} if arguments.data else None
    said = compare(
        root,
        arguments.names,
        scale=arguments.scale or SCALE,
        seeds=seeds,
        source=source,
        steps=arguments.steps,
        keep=arguments.keep,
        at_once=1 if arguments.at_once is None else arguments.at_once,
    )
    _tell(arguments, ("compare", *arguments.names), ("data", "scale", "steps", "seeds"), said, lines(said))
    return 0


def _sweep(root: Path, arguments: argparse.Namespace) -> int:
    from components.contracts.errors import ConfigError
    from flows.proving.sweep import lines, sweep

    if bool(arguments.names) == bool(arguments.plan):
        raise ConfigError(
            "A sweep is of recipes, or of a plan. Name recipes, such as clip filip, or --plan docs/comparison.yaml."
        )
    if arguments.page and not arguments.plan:
        raise ConfigError("--page shows again what a plan found. Name the plan too: --plan docs/comparison.yaml.")
    if arguments.plan:
        return _sweep_plan(root, arguments)
    seeds = 3 if arguments.seeds is None else arguments.seeds
    if seeds < 2:
        raise ConfigError(f"--seeds {seeds} gives no interval. Give 2 or more; 3 are usual.")
    said = sweep(
        root,
        arguments.names,
        seeds=seeds,
        scale=arguments.scale or SCALE,
        source={"name": arguments.data} if arguments.data else None,
        steps=arguments.steps,
        price_per_hour=arguments.price_per_hour,
        keep=arguments.keep,
        at_once=arguments.at_once,
    )
    _tell(arguments, ("sweep", *arguments.names), ("data", "scale", "steps", "seeds"), said, lines(said))
    return 0


def _sweep_plan(root: Path, arguments: argparse.Namespace) -> int:
    from components.contracts.errors import ConfigError
    from flows.proving.comparison import judge_again, run_comparison
    from flows.proving.expected import lines
    from flows.proving.page import check_page, publish

    for flag in ("steps", "seeds", "data", "scale", "to"):
        if getattr(arguments, flag) is not None:
            raise ConfigError(
                f"--{flag} is for the plan to say, which was written down before. Change {arguments.plan}, commit it, and leave the flag out."
            )
    plan = (arguments.here / arguments.plan).resolve()
    check_page(plan.with_suffix(".md"))
    if arguments.page:
        found, new = judge_again(root, plan), list[str]()
    else:
        found, new = run_comparison(
            root, plan, at_once=arguments.at_once, columns=arguments.columns, keep=arguments.keep
        )
    page = publish(root, plan, {**found, "price_per_hour": arguments.price_per_hour}, new)
    shown = [*lines(found), f"The tables: {plan.with_suffix('.md')}; the page: {page}"]
    print(json.dumps(found) if arguments.json else "\n".join(shown), flush=True)
    return 0


def _grow(root: Path, arguments: argparse.Namespace) -> int:
    from flows.proving.growth import grow, lines

    said = grow(
        root,
        arguments.name,
        arguments.arrivals,
        scale=arguments.scale or SCALE,
        steps=arguments.steps,
        seed=arguments.seed,
        source={"name": arguments.data} if arguments.data else None,
        keep=arguments.keep,
    )
    words = ("grow", arguments.name, *map(shlex.quote, arguments.arrivals))
    _tell(arguments, words, ("data", "scale", "steps", "seed"), said, lines(said))
    return 0


def _tell(
    arguments: argparse.Namespace,
    words: Sequence[str],
    flags: Sequence[str],
    said: Mapping[str, Any],
    shown: Iterable[str],
) -> None:
    """Print what was found, and write it with the command that finds it again."""
    asked = {name: getattr(arguments, name) for name in flags}
    given = (f"--{name} {value}" for name, value in asked.items() if value is not None)
    said = {"command": " ".join(("diptych", *words, *given)), **said}
    if arguments.to:
        (arguments.here / arguments.to).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said) if arguments.json else "\n".join(shown), flush=True)
