"""Where a stage keeps what it has done so far: outside DVC's outputs, which DVC deletes before it runs a stage.

The folder is named by a digest of all that decides the result, so that nothing is ever continued with other numbers,
other data or other code than it was begun with.
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path

from components.contracts.errors import DataError
from components.stages.place import address

ORIGIN = "origin.json"
TOLD = "DIPTYCH_RESUME"


def resume_base(root: Path, stage: str, recipe: str | None) -> Path:
    """Return the folder of all resume folders of one stage."""
    return root / ".diptych" / "resume" / address(stage, recipe)


def resume_folder(
    base: Path, root: Path, inputs: Sequence[Path], numbers: object, say: Callable[[str], None] = lambda said: None
) -> Path:
    """Return `base/<digest>`, made if need be.

    Of what was begun with another digest the last is kept until the stage succeeds. It is not gone on with, of which `say`
    gets a sentence with what has changed, unless DIPTYCH_RESUME names its digest: then it becomes this one.
    """
    origin = origin_of(root, inputs, numbers)
    digest = origin.digest
    folder = base / digest
    others = sorted((p for p in base.iterdir() if p.name != digest), key=_age) if base.exists() else []
    told = os.environ.get(TOLD, "")
    chosen = next((other for other in others if told and other.name.startswith(told)), None)
    if chosen is not None and not _holds(folder):
        shutil.rmtree(folder, ignore_errors=True)
        chosen.rename(folder)
        say(
            f"goes on from what was begun as {chosen.name[:12]}, though {_changed(folder, origin)} changed since, as {TOLD} says"
        )
    elif others and _holds(others[-1]) and not _holds(folder):
        other = others[-1]
        say(
            f"what was begun as {other.name[:12]} is left, for {_changed(other, origin)} changed since, and this begins anew. To go "
            f"on from it all the same, stop this and set {TOLD}={other.name[:12]}"
        )
    for other in others[:-1]:
        shutil.rmtree(other, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ORIGIN).write_text(json.dumps(asdict(origin)) + "\n")
    return folder


def has_something(base: Path) -> bool:
    """Return whether a stage that stopped has anything to go on from: in the folder that was begun last."""
    folders = sorted(base.iterdir(), key=_age) if base.exists() else []
    return bool(folders) and _holds(folders[-1])


def _holds(folder: Path) -> bool:
    return any(path.is_file() and path.name != ORIGIN for path in folder.rglob("*"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """All that decides a result, a sha256 for each kind.

    Args:
        data: the inputs' names and bytes.
        numbers: what recipe, scale and params say.
        code: the source of all loaded components.
    """

    data: str
    numbers: str
    code: str

    @property
    def digest(self) -> str:
        """32 hex digits over all of it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:32]


def origin_of(root: Path, inputs: Sequence[Path], numbers: object) -> Origin:
    """Return what a stage's result comes from."""
    return Origin(
        data=_digest_of(root, _files(root, inputs)), code=_digest_of(root, _sources()),
        numbers=hashlib.sha256(json.dumps(numbers, sort_keys=True, default=_plain).encode()).hexdigest(),
    )  # fmt: skip


def _digest_of(root: Path, files: Sequence[Path]) -> str:
    total = hashlib.sha256()
    for path in files:
        name = path.relative_to(root) if path.is_relative_to(root) else path.name
        with path.open("rb") as opened:
            total.update(f"\n{name} {hashlib.file_digest(opened, 'sha256').hexdigest()}".encode())
    return total.hexdigest()


def _changed(folder: Path, now: Origin) -> str:
    """Return which kinds differ from those a folder was begun with, such as "numbers and code"."""
    try:
        was = json.loads((folder / ORIGIN).read_text())
    except (OSError, ValueError):
        return "data, numbers or code"
    return " and ".join(kind for kind, value in asdict(now).items() if was.get(kind) != value)


def _age(folder: Path) -> int:
    """Return when a folder was last begun or gone on with."""
    origin = folder / ORIGIN
    return (origin if origin.exists() else folder).stat().st_mtime_ns


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
