"""Stage code: of each other stage one small file that says what code it is of, so that DVC looks at that file and not at the hundreds it is made of.

`code.yaml`, beside this, names the files that a stage imports, and `python -m infra.stage_code --write` keeps it so. `build/code/<stage>` has a line for
each of them, as sha256sum writes it: an edit changes the files of the stages that import what was edited, and no other.
"""

import hashlib
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from components.contracts.plain_yaml import load_yaml
from components.stages.place import private

CODE = "code"
"""The name of this stage, which makes nothing that anybody reads but DVC."""
LISTS = "components/stages/code.yaml"
FOLDER = "build/code"
GONE = "-" * 64
"""In place of the digest of a file that is not there."""


def files_of(root: Path) -> dict[str, list[str]]:
    """Return of each stage the files of its code, from the workspace."""
    found: dict[str, list[str]] = load_yaml((root / LISTS).read_text(encoding="utf-8"))
    return found


def write_code(root: Path) -> None:
    """Bring `build/code` up to date, each file by renaming and only where it differs."""
    stages, folder = files_of(root), root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    known: dict[str, str] = {}
    for stage, files in stages.items():
        for file in files:
            if file not in known:
                known[file] = _sha256(root / file)
        _write(root, folder / stage, "".join(f"{known[file]}  {file}\n" for file in files))
    for beside in folder.iterdir():
        if beside.name not in stages:
            beside.unlink()


def keep_code(root: Path, stage: str, full: str) -> None:
    """Keep of which code a stage ran, so that `code_then` can tell what was edited since; nothing where that is not known."""
    with suppress(FileNotFoundError):
        shutil.copyfile(root / FOLDER / stage, private(root, "outcome") / f"{full}.code")


def code_then(root: Path, full: str, md5: str | None) -> str | None:
    """Return what its file of code said when a stage last ran; None where that is not what DVC has by this md5."""
    try:
        kept = (root / ".diptych" / "outcome" / f"{full}.code").read_bytes()
    except FileNotFoundError:
        return None
    return kept.decode("utf-8") if hashlib.md5(kept, usedforsecurity=False).hexdigest() == md5 else None


def edits(before: str, now: str) -> Iterator[str]:
    """Yield what is another in one file of code than in another, such as "components/objectives/softmax.py: modified"."""
    was, its = ({line[66:]: line[:64] for line in text.splitlines()} for text in (before, now))
    for path in sorted({*was, *its}):
        if path not in was:
            yield f"{path}: new"
        elif its.get(path, GONE) == GONE:
            yield f"{path}: deleted"
        elif was[path] != its[path]:
            yield f"{path}: modified"


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return GONE


def _write(root: Path, path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one; nothing where it says that."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    partial = private(root, "tmp") / f"code.{path.name}.{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def main() -> int:
    """Write them, and return the exit code."""
    write_code(Path.cwd())
    return 0


if __name__ == "__main__":
    sys.exit(main())
