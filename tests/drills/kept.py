"""What a drill's answer is kept with: how it was asked for, where, when, and of which code."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from flows.machine import machine
from tests.workspace import REPOSITORY


def about(drill: str) -> dict[str, Any]:
    """Return it; ask before the drill, which takes up to hours, in which others commit."""
    ran = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return {
        "command": " ".join(["python -m tests.drills", drill, *sys.argv[1:]]), "machine": machine(), "load": round(os.getloadavg()[0], 1),
        "date": time.strftime("%Y-%m-%d"), "commit": ran.stdout.strip(),
    }  # fmt: skip


def keep(path: Path, said: dict[str, Any]) -> None:
    """Write what was found, whether it passed or not."""
    path.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def conclude(said: dict[str, Any], whence: dict[str, Any], path: Path | None) -> NoReturn:
    """Print what a drill found, kept with what `about` said where there is a path, and end with 0 where it passed."""
    if path is not None:
        keep(path, said | whence)
    print(json.dumps(said))
    sys.exit(not said["passed"])
