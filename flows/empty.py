"""Arguments that hold nothing, as where a script names a variable that is not set: what was meant is not what would be done."""

from collections.abc import Sequence

from components.contracts.errors import ConfigError


def refuse_empty(arguments: Sequence[str]) -> None:
    """Raise ConfigError, which names it, for an argument of no characters; `--set training.steps=`, which takes a number back, has some."""
    before = ""
    for one in arguments:
        option, equals, value = one.partition("=") if one.startswith("--") else (before, "=", one)
        if equals and not value:
            what = f"what {option} is given" if option.startswith("--") else "an argument"
            raise ConfigError(
                f"{what} is empty, as where a variable of the shell is not set. Give it a value, or leave it out."
            )
        before = one
