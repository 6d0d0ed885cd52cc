"""What `diptych estimate` takes."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from components.contracts.errors import ConfigError
from flows.adapt_parser import USUAL, add_race, race_of

Add = Callable[..., argparse.ArgumentParser]
PRICE = "DIPTYCH_PRICE_PER_HOUR"  # as a training's receipt takes it
ADAPT = "adapt"
OF_ADAPT = {
    "start": "--from", "to": "--to", "budget": "--budget", "most_lost": "--most-lost", "ask": "--ask", "ways": "--way", "augment": "--augment", "recall": "--recall",
    "replay": "--replay", "recalled": "--recalled", "batch": "--batch", "most_steps": "--most-steps", "seed": "--seed", "network": "--network",
}  # fmt: skip
OF_RECIPES = {"scale": "--scale", "with_data": "--with-data"}


def add_estimate(add: Add) -> None:
    """Add the command."""
    made = add("estimate", "say what a run will take, in time, memory and money, before it: a few steps of each training are tried", _estimate)  # fmt: skip
    made.set_defaults(anywhere=True)
    made.add_argument("name", metavar="RECIPE", help=f"a recipe of components/recipes; or {ADAPT}, for what `diptych adapt` will take")  # fmt: skip
    made.add_argument("data", metavar="DATA", nargs="?", help=f"the pictures of {ADAPT}, or in place of those that params.yaml names")  # fmt: skip
    made.add_argument(
        "--scale", metavar="NAME", help="a scale of components/recipes/scales; params.yaml's unless given"
    )
    made.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="numbers",
        help=f"as `diptych run` takes it; of {ADAPT} a FOLDER, as `diptych adapt` takes it; may be given several times",
    )  # fmt: skip
    made.add_argument("--with-data", action="store_true", help="read all the data where it is not in yet, for what that takes and to try the rest on; kept is nothing of it")  # fmt: skip
    made.add_argument("--price-per-hour", metavar="PRICE", type=float, help=f"of this machine, in any currency; {PRICE} unless given")  # fmt: skip
    made.add_argument("--from", dest="start", metavar="MODEL", help=f"of {ADAPT}: as `diptych adapt` takes it")
    made.add_argument("--to", metavar="DIR", type=Path, help=f"of {ADAPT}: where it would be written, outside of a workspace")  # fmt: skip
    add_race(made, of=f"of {ADAPT}: ")
    made.set_defaults(**dict.fromkeys(USUAL))  # whether it was said counts here, beside a recipe
    made.add_argument("--network", action="store_true", help=f"of {ADAPT}: fetch a model that is named hf-hub:OWNER/NAME")  # fmt: skip
    made.add_argument("--json", action="store_true", help="print what was found as JSON")


def _estimate(here: Path, arguments: argparse.Namespace) -> int:
    from flows.estimating.estimate import told

    check_belongs(arguments)
    price = price_said() if arguments.price_per_hour is None else arguments.price_per_hour
    if arguments.name == ADAPT:
        if arguments.data is None or arguments.start is None:
            raise ConfigError("adapt needs pictures and a model: diptych estimate adapt PICTURES --from MODEL")
        from flows.adapt_here import Here
        from flows.estimating.adapting import estimate_adapt

        asked = Here(
            data=arguments.data, start=arguments.start, sets=[here / one for one in arguments.numbers], race=race_of(arguments),
            numbers=[] if arguments.seed is None else [f"seed={arguments.seed}"], network=arguments.network,
        )  # fmt: skip
        print(told(estimate_adapt(asked, here, arguments.to is not None, price), arguments.json))
        return 0
    from flows.choices import Choices
    from flows.estimating.estimate import estimate
    from flows.run import find_root

    root = find_root(here)
    os.chdir(root)
    choices = Choices(recipe=arguments.name, scale=arguments.scale, data=arguments.data, numbers=arguments.numbers)
    print(told(estimate(root, here, choices, price, arguments.with_data), arguments.json))
    return 0


def check_belongs(said: argparse.Namespace) -> None:
    """Raise ConfigError for an option that nothing would be done with: of adapting beside a recipe, or of a recipe beside adapting."""
    others = OF_RECIPES if said.name == ADAPT else OF_ADAPT
    said_of = {option: getattr(said, name) for name, option in others.items()}
    given = [option for option, value in said_of.items() if value is not None and value is not False]  # 0 is said, too
    if not given:
        return
    if said.name == ADAPT:
        raise ConfigError(
            f"{' and '.join(given)} would change nothing of what {ADAPT} takes: its pictures are read whole, at the scale that params.yaml says. Leave out what is of recipes."
        )
    raise ConfigError(
        f"{', '.join(given)}: that is of {ADAPT}, and {said.name} is taken for a recipe, which params.yaml and --set KEY=VALUE say all of. Did you mean {ADAPT}? "
        f"diptych estimate {ADAPT} PICTURES --from MODEL"
    )


def price_said() -> float | None:
    """Return the price that the environment names; ConfigError for one that is no number."""
    said = os.environ.get(PRICE)
    try:
        return float(said) if said else None
    except ValueError:
        raise ConfigError(f"{PRICE} is {said!r}, but must be a number, such as 2.5. Correct it, or leave it unset.") from None  # fmt: skip
