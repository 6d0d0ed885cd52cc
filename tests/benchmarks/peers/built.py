"""Environments of the peers, one each, made when first asked for, outside ours: what they need would change what we use."""

import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).parents[3] / ".diptych" / "bench"


def peer_python(name: str) -> Path:
    """Return the Python of a peer's environment, with what `peers/<name>.txt` lists; CalledProcessError where pip cannot get it."""
    folder, listed = HOME / name, Path(__file__).with_name(f"{name}.txt")
    python, done = folder / "bin" / "python", folder / "installed.txt"
    if not (done.is_file() and done.read_text() == listed.read_text()):
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(listed)], check=True)
        done.write_text(listed.read_text())
    return python
