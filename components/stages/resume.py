"""Where a stage keeps what it has done so far: outside DVC's outputs, which DVC deletes before it runs a stage.

The folder is named by a digest of all that decides the result, so that nothing is ever continued with other numbers,
other data or other code than it was begun with.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path

from components.contracts.errors import DataError
from components.stages.place import address


def resume_base(root: Path, stage: str, recipe: str | None) -> Path:
    """Return the folder of all resume folders of one stage."""
    return root / ".diptych" / "resume" / address(stage, recipe)


def resume_folder(base: Path, root: Path, inputs: Sequence[Path], numbers: object) -> Path:
    """Return `base/<digest>`, made if need be; folders of other digests go, for they can never be used again."""
    digest = digest_of(root, inputs, numbers)
    folder = base / digest
    for other in base.iterdir() if base.exists() else ():
        if other.name != digest:
            shutil.rmtree(other)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def has_something(base: Path) -> bool:
    """Return whether a stage that stopped has anything to go on from."""
    return any(path.is_file() for path in base.rglob("*"))


def digest_of(root: Path, inputs: Sequence[Path], numbers: object) -> str:
    """Return 32 hex digits over the inputs' names and bytes, the numbers, and the source of all loaded components."""
    total = hashlib.sha256(json.dumps(numbers, sort_keys=True, default=_plain).encode())
    for path in (*_files(root, inputs), *_sources()):
        name = path.relative_to(root) if path.is_relative_to(root) else path.name
        with path.open("rb") as opened:
            total.update(f"\n{name} {hashlib.file_digest(opened, 'sha256').hexdigest()}".encode())
    return total.hexdigest()[:32]


def _files(root: Path, inputs: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in (root / given for given in inputs):
        if not path.exists():
            raise DataError(f"{path} is missing, so this stage cannot start. Run the stage that makes it: dvc repro")
        files += sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return files


def _sources() -> list[Path]:
    """Return the files of all loaded modules of `components`; the stage itself is loaded as __main__."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    own = [main] if spec is not None and spec.name.startswith("components.") else []
    ours = [module for name, module in sorted(sys.modules.items()) if name.split(".")[0] == "components"]
    files = (getattr(module, "__file__", None) for module in (*own, *ours))
    return [Path(file) for file in files if file is not None]


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(
        f"{type(value).__name__} has no one spelling, so no digest; give numbers, text, lists, dicts or dataclasses"
    )
