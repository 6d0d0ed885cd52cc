"""What many runs need and none should make again: a folder named by all that decides it, made once, sealed, kept.

It lies in .diptych/starts, outside of what DVC knows, since no stage makes it.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from components.contracts.errors import StaleArtifact
from components.contracts.sealed import check_files, read_sealed
from components.serving.pack import seal
from components.stages.lock import hold
from components.stages.place import STARTS, private

PATIENCE_S = 3600.0  # how long one waits for another that makes the same


def made_once(root: Path, name: str, decides: object, make: Callable[[Path, Path], None]) -> Path:
    """Return the folder `.diptych/starts/<name>-<digest>` of a workspace, made where it is missing or not as it was sealed.

    Of several processes that ask at once one makes it and the others wait. A process that is killed leaves no folder of that
    name, and what it wrote to its second folder for the next one.

    Args:
        decides: all that the result follows from, as JSON can say it; its digest names the folder.
        make: writes to the first folder, which is empty, and keeps what it has done so far in the second.

    Raises Busy when another process has been making it for an hour.
    """
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]
    home = private(root, STARTS)
    folder, partial, resumes = (home / f"{name}-{digest}{end}" for end in ("", ".partial", ".resume"))
    with hold(private(root, "locks") / f"{folder.name}.lock", f"the start {folder.name}", wait_s=PATIENCE_S):
        if folder.exists():
            try:
                check_files(folder, read_sealed(folder)["files"])
                return folder
            except StaleArtifact as err:
                print(f"{folder.name} is not as it was made, and is made anew: {err}", flush=True)
                shutil.rmtree(folder)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        resumes.mkdir(exist_ok=True)
        make(partial, resumes)
        seal(partial, {"decides": decides})
        partial.replace(folder)
        shutil.rmtree(resumes, ignore_errors=True)
    return folder
