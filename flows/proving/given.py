"""Models that arms of a proof begin from: made once, and put into a checkout, where DVC watches them like any other file."""

import shutil
import sys
from dataclasses import asdict
from pathlib import Path

from components.contracts.errors import DiptychError
from components.contracts.model_files import MODEL_FILES
from components.recipes.micro_clip import MicroClip
from components.stages.place import private
from flows.audience import AUDIENCE
from flows.processes import started

STARTS = "data/starts"  # in a checkout; no stage writes there, and git does not look


def micro_clip(root: Path, place: Path, which: MicroClip) -> Path:
    """Return the folder of a small CLIP, which the code of a checkout trains where it is not there; the workspace keeps it.

    Args:
        root: the workspace.
        place: a checkout whose params.yaml overrides nothing.

    Raises DiptychError, with the last that was said, when it cannot be trained.
    """
    numbers = {name: value for name, value in asdict(which).items() if value is not None}
    flags = [f"--{name}={value}" for name, value in numbers.items()]
    AUDIENCE.get().told(f"the micro CLIP {' '.join(flags)}, trained where it is not there")
    log = private(root, "logs") / "micro_clip.log"
    log.write_bytes(b"")
    command = [sys.executable, "-m", "components.stages.micro_clip", *flags, f"--kept-in={root}"]
    with started(command, log, cwd=place) as process:
        code = process.wait()
    said = log.read_text(encoding="utf-8", errors="replace").splitlines()
    if code:
        raise DiptychError(
            f"the micro CLIP could not be trained: {said[-1] if said else f'exit code {code}'} (log in {log.relative_to(root)})"
        )
    home = str(private(root, "starts"))
    return next(Path(line) for line in said if line.startswith(home))


def put(place: Path, path: str, model: Path) -> None:
    """Copy the files that make a model to a path of a checkout, in place of what is there."""
    folder = place / path
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in MODEL_FILES:
        shutil.copy2(model / name, folder / name)
