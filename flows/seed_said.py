"""`--seed` of a command: refused before anything is read where a library would refuse it at its end."""

import argparse

from components.contracts.seed import ALLOWED, is_seed


def seed(said: str) -> int:
    """Return 3 for `3`; argparse says it of what decides no draws."""
    try:
        number = int(said)
    except ValueError:
        number = -1
    if not is_seed(number):
        raise argparse.ArgumentTypeError(f"{said!r} is no seed. {ALLOWED}")
    return number
