"""Stage code: of each other stage one small file that says what code it is of, so that DVC looks at that file and not at the hundreds it is made of.

`code.yaml`, beside this, names the files that a stage imports, and `python -m infra.stage_code --write` keeps it so. `build/code/<stage>` has a line for
each of them, as sha256sum writes it: an edit changes the files of the stages that import what was edited, and no other. Each stage writes its own, too, when it
begins, so that DVC has of it with which code it ran, whatever was edited since.
"""

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import yaml

from components.contracts.errors import ConfigError, explained
from components.contracts.plain_yaml import load_yaml
from components.stages.place import private

CODE = "code"
"""The name of this stage, which makes nothing that anybody reads but DVC."""
LISTS = "components/stages/code.yaml"
FOLDER = "build/code"
PARTIAL = "code."  # in .diptych/tmp, by the file's name and the process: one that is killed leaves it
GONE = "-" * 64
"""In place of the digest of a file that is not there."""


def has_code(root: Path) -> bool:
    """Return whether the stages of a workspace have their code so; of a dvc.yaml that cannot be read DVC says what is wrong."""
    try:
        said = load_yaml((root / "dvc.yaml").read_text(encoding="utf-8"))
    except yaml.YAMLError:
        return False
    return isinstance(said, dict) and CODE in (said.get("stages") or {})


def files_of(root: Path) -> dict[str, list[str]]:
    """Return of each stage the files of its code, from the workspace; ConfigError where the lists cannot be read."""
    try:
        found = load_yaml((root / LISTS).read_text(encoding="utf-8"))
        return {str(stage): [str(file) for file in files] for stage, files in found.items()}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, TypeError) as err:
        raise ConfigError(
            f"{LISTS} cannot be read ({type(err).__name__}), so nobody knows of which code a stage is. Have it back by git, then: python -m infra.stage_code --write"
        ) from err


def codes(root: Path) -> dict[str, str]:
    """Return of each stage what its file has to say as the code is now; ConfigError as `files_of`."""
    known: dict[str, str] = {}
    return {
        stage: "".join(f"{_sha256(root, file, known)}  {file}\n" for file in files)
        for stage, files in files_of(root).items()
    }


def write_code(root: Path) -> bool:
    """Bring `build/code` up to date, each file by renaming and only where it differs; return whether any did."""
    now, folder = codes(root), root / FOLDER
    differ = [stage for stage, text in now.items() if put_code(root, stage, text)]
    beside = [path for path in folder.iterdir() if path.name not in now]
    for path in beside:
        path.unlink()
    return bool(differ or beside)


def put_code(root: Path, stage: str, text: str) -> bool:
    """Write the file of one stage, so that a reader sees the old one or the new one; return whether it said something else."""
    path = root / FOLDER / stage
    with suppress(FileNotFoundError):  # DVC takes it away before it has it made anew
        if path.read_text(encoding="utf-8") == text:
            return False
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(root, path, text)
    return True


def of_both(before: str, now: str) -> str:
    """Return what a file of code says of which nobody knows whether it is as before or as now: as now, where both say the same; else that it is not there."""
    same = {*before.splitlines()}
    return "".join(f"{line}\n" if line in same else f"{GONE}{line[len(GONE) :]}\n" for line in now.splitlines())


def keep_code(root: Path, full: str, text: str) -> None:
    """Keep of which code a stage ran, so that `code_then` can tell what was edited since; nothing where there is no room."""
    with suppress(OSError):
        _write(root, private(root, "outcome") / f"{full}.code", text)


def code_then(root: Path, full: str, md5: str | None) -> str | None:
    """Return what its file of code said when a stage last ran; None where that is not what DVC has by this md5."""
    try:
        kept = (root / ".diptych" / "outcome" / f"{full}.code").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return kept if md5_of(kept) == md5 else None


def md5_of(text: str) -> str:
    """Return the digest that DVC has of a file that says this."""
    return hashlib.md5(text.encode("utf-8"), usedforsecurity=False).hexdigest()


def edits(before: str, now: str) -> Iterator[str]:
    """Yield what is another in one file of code than in another, such as "components/objectives/softmax.py: modified"."""
    was, its = ({line[66:]: line[:64] for line in text.splitlines()} for text in (before, now))
    for path in sorted({*was, *its}):
        if path not in was:
            yield f"{path}: imported now"
        elif path not in its:
            yield f"{path}: no longer imported"
        elif its[path] == GONE != was[path]:
            yield f"{path}: deleted"
        elif was[path] != its[path]:
            yield f"{path}: modified"


def _sha256(root: Path, file: str, known: dict[str, str]) -> str:
    if file not in known:
        try:
            known[file] = hashlib.sha256((root / file).read_bytes()).hexdigest()
        except FileNotFoundError:
            known[file] = GONE
    return known[file]


def _write(root: Path, path: Path, text: str) -> None:
    partial = private(root, "tmp") / f"{PARTIAL}{path.name}.{os.getpid()}"
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def main() -> int:
    """Write them, and return the exit code."""
    try:
        write_code(Path.cwd())
    except (ConfigError, OSError) as err:
        print(f"{CODE}: {explained(err) if isinstance(err, OSError) else err}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
