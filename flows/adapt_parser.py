"""What `diptych adapt` takes."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError
from flows.seed_said import seed

Add = Callable[..., argparse.ArgumentParser]
USUAL: dict[str, Any] = {
    "budget": 900.0, "ask": "auto", "ways": [], "augment": "light", "recall": 0.0, "recalled": "", "most_steps": 0,
}  # fmt: skip
"""What a race is told where nobody says otherwise; all else is None then."""


def add_adapt(add: Add) -> None:
    """Add the command."""
    made = add("adapt", "tune a model on your own pictures, and say what it gained there and lost elsewhere", _adapt)
    made.set_defaults(anywhere=True)
    made.add_argument(
        "data",
        metavar="DATA",
        help="a folder of pictures with captions, a table, or shards, as `diptych data check` takes them",
    )
    made.add_argument(
        "--from",
        dest="start",
        metavar="MODEL",
        required=True,
        help="the folder or file of a model of open_clip, of transformers or of ours; hf-hub:OWNER/NAME; of the workspace around it a version such as clip@3, or micro_clip",
    )
    made.add_argument(
        "--to",
        metavar="DIR",
        type=Path,
        help="outside of a workspace: for the model and what was found; the same command goes on with what it has. Unless given, the workspace's recipe "
        "`adapted` is run, which ends in a version that is registered, judged and served",
    )
    made.add_argument(
        "--set", metavar="FOLDER", type=Path, action="append", default=[], dest="sets",
        help="in CLIP_benchmark's layout, on which it must not get worse; may be given several times",
    )  # fmt: skip
    add_race(made)
    made.add_argument(
        "--network",
        action="store_true",
        help="fetch a model that is named hf-hub:OWNER/NAME where it was not fetched before",
    )
    made.add_argument("--json", action="store_true", help="print what was found as JSON")


def add_race(made: argparse.ArgumentParser, of: str = "") -> None:
    """Add what the race of ways to tune is told; `of` goes before what is said of each."""
    made.add_argument(
        "--budget",
        metavar="TIME",
        type=seconds,
        help=f"{of}for the race of ways to tune, such as 90s, 15m or 1h (15m)",
    )
    made.add_argument(
        "--most-lost",
        metavar="SHARE",
        type=float,
        help=f"{of}of a set's main number that may be lost (0.01; in a workspace what gates.retention says)",
    )
    made.add_argument(
        "--ask", choices=("auto", "labels", "captions"),
        help=f"{of}what is asked of a picture: its label, or its caption; auto asks for labels where captions are no more than that",
    )  # fmt: skip
    made.add_argument(
        "--way", metavar="NAME", action="append", dest="ways", type=lambda said: said.replace("-", " ").replace("_", " "),
        help=f"{of}to tune, that takes part in the race, such as lora or feature-adapter; may be given several times (lora, last-layers, locked-image, whole)",
    )  # fmt: skip
    made.add_argument(
        "--augment", choices=("off", "light", "strong"),
        help=f"{of}how much your own training pictures are changed; strong also crops them and, where no caption says left or right, mirrors them (light)",
    )  # fmt: skip
    made.add_argument(
        "--recall", metavar="WEIGHT", type=float,
        help=f"{of}hold, by this weight beside the loss, to what the model says of general pictures before it is tuned; 1 is usual (0, which holds to nothing)",
    )  # fmt: skip
    made.add_argument(
        "--replay", metavar="SHARE", type=float,
        help=f"{of}learn from general pictures beside your own, which are this share of each step, and let training that goes on race, too (0; where the model is a "
        "workspace's run that still has what it learnt from, or micro_clip, 0.5, or 0.75 beside few labels, and training that goes on is what is tried, unless --recall or --way says otherwise)",
    )  # fmt: skip
    made.add_argument(
        "--recalled", metavar="DATA",
        help=f"{of}general pictures to recall or replay, best those that the model was trained on: with --to a folder, a table, shards or a source, else a source to recall (what the model learnt from, where that is at hand; else drawn scenes; a workspace replays no others)",
    )  # fmt: skip
    made.add_argument(
        "--batch", metavar="PAIRS", type=int,
        help=f"{of}a step (64; where what the model learnt from is replayed and nobody said so 256, or 128 where there are few labels)",
    )  # fmt: skip
    made.add_argument(
        "--most-steps", metavar="N", type=int,
        help=f"{of}of the longest heat; unless given, as many as take 30 times all pictures",
    )  # fmt: skip
    made.add_argument(
        "--seed", type=seed, help=f"{of}of splits, draws and intervals (0; in a workspace that of params.yaml)"
    )
    made.set_defaults(**USUAL)


def race_of(said: argparse.Namespace) -> dict[str, Any]:
    """Return what is said of the race, by its names in recipes.adapted.race; what is usual is left out of the later ones."""
    said = with_usual(said)
    race = {"budget_s": said.budget, "ask": said.ask}
    later = ("most_lost", "batch", "most_steps", "augment", "recall", "replay", "ways")
    check_recalled(said)
    race |= {name: value for name in later if (value := getattr(said, name)) != USUAL.get(name)}
    return race | ({"recalled": {"name": said.recalled}} if said.recalled else {})


def with_usual(said: argparse.Namespace) -> argparse.Namespace:
    """Return it with what is usual where nobody said otherwise."""
    usual = {name: value for name, value in USUAL.items() if getattr(said, name) is None}
    return argparse.Namespace(**{**vars(said), **usual})


def check_recalled(said: argparse.Namespace) -> None:
    """Raise ConfigError for general pictures that nothing would be done with."""
    if said.recalled and not (said.recall or said.replay):
        raise ConfigError(
            f"--recalled {said.recalled} names general pictures, and neither --recall nor --replay says what for. Give --replay 0.5, or leave it out."
        )


def seconds(said: str) -> float:
    """Return 900.0 for `15m`; argparse says it of anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", said)
    if found is None or not float(found[1]):
        raise argparse.ArgumentTypeError(
            f"{said!r} is no time. Give seconds, minutes or hours, such as 90s, 15m or 1h."
        )
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def _adapt(here: Path, arguments: argparse.Namespace) -> int:
    if arguments.to is None:
        return _adapt_here(here, arguments)
    from flows.adapt import MOST_LOST, Asked, adapt
    from flows.given_start import given_start

    check_recalled(arguments)
    asked = Asked(
        data=arguments.data, start=given_start(arguments.start, here, arguments.network)[0], sets=[here / one for one in arguments.sets], budget_s=arguments.budget,
        most_lost=MOST_LOST if arguments.most_lost is None else arguments.most_lost, seed=arguments.seed or 0, batch=arguments.batch, ask=arguments.ask, ways=arguments.ways,
        augment=arguments.augment, recall=arguments.recall, replay=arguments.replay, recalled=arguments.recalled, most_steps=arguments.most_steps,
    )  # fmt: skip
    adapt(asked, here, here / arguments.to, arguments.json)
    return 0


def _adapt_here(here: Path, arguments: argparse.Namespace) -> int:
    import os

    from flows.adapt_here import Here, adapt_here
    from flows.run import find_root

    if arguments.json:
        raise ConfigError(
            "--json prints what --to leaves. A run of the workspace leaves runs/adapted/package/manifest.json."
        )
    root = find_root(here)
    os.chdir(root)
    asked = Here(
        data=arguments.data, start=arguments.start, sets=[here / one for one in arguments.sets], race=race_of(arguments), numbers=[] if arguments.seed is None else [f"seed={arguments.seed}"],
        network=arguments.network,
    )  # fmt: skip
    adapt_here(asked, root, here)
    return 0
