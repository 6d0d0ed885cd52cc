"""Whether this machine has PostgreSQL's servers, which Debian packages and no Python package has."""

import os

import pytest

from components.contracts.errors import CapabilityError
from flows.stack.postgres import find_binaries


def needs_postgres() -> None:
    """Skip, with the reason, where PostgreSQL is not there; in CI, where it has to be, that is an error."""
    try:
        find_binaries()
    except CapabilityError as err:
        if "CI" in os.environ:
            raise
        pytest.skip(str(err))
