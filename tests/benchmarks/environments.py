"""An environment for each peer, so that what it pins touches nothing of ours: `.diptych/bench/<peer>`, from peers/<peer>.txt."""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PEERS = Path(__file__).with_name("peers")


def python_of(peer: str) -> Path:
    """Return the interpreter of a peer's environment, made with uv if it is not there or its requirements changed.

    It is of our Python, unless the first line of the requirements says another, such as `# python 3.12`.
    """
    wanted = PEERS / f"{peer}.txt"
    folder, digest = ROOT / ".diptych/bench" / peer, hashlib.sha256(wanted.read_bytes()).hexdigest()
    python, made = folder / "bin/python", folder / "made-from"
    if made.exists() and made.read_text() == digest:
        return python
    if folder.exists():
        shutil.rmtree(folder)
    told = subprocess.run([sys.executable, ROOT / "infra/pip_to_uv.py"], capture_output=True, text=True, check=True)
    pairs = (line.removeprefix("export ").split("=", 1) for line in told.stdout.splitlines())
    environment = {**os.environ, **{name: shlex.split(value)[0] for name, value in pairs}}
    first = wanted.read_text().splitlines()[0].partition("# python ")
    uv, version = [sys.executable, "-m", "uv"], first[2] or sys.executable
    for command in (["venv", "--python", version, folder], ["pip", "install", "--python", python, "-r", wanted]):
        subprocess.run([*uv, *command], env=environment, check=True, stdout=sys.stderr)
    made.write_text(digest)
    return python
