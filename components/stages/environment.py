"""No telemetry, in every entry point: infra/environment is the one list, and infra/python and the flows both set it."""

import os
from pathlib import Path

LIST = Path(__file__).parents[2] / "infra" / "environment"


def set_environment(extra: dict[str, str] | None = None) -> None:
    """Set what infra/environment lists, and `extra`, for us and our children; what the user has set stays.

    Libraries read these when they are imported, so call it before.
    """
    listed = dict(line.split("=", 1) for line in LIST.read_text().splitlines())
    for name, value in {**listed, **(extra or {})}.items():
        os.environ.setdefault(name, value)
