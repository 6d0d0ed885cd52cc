"""What a killed run leaves in DVC's own files, put right before the next one: a stale lock, a half-written record."""

import json
import shutil
from contextlib import suppress
from pathlib import Path

import yaml

from components.contracts.plain_yaml import load_yaml
from components.stages.code import PARTIAL
from components.stages.lock import hold
from components.stages.place import private


def keep_record(root: Path) -> None:
    """Keep a copy of dvc.lock, which DVC overwrites in place."""
    with suppress(FileNotFoundError):
        shutil.copyfile(root / "dvc.lock", private(root, "tmp") / "dvc.lock")


def repair(root: Path) -> None:
    """Bring DVC's files back to a state that DVC can start from. Only while holding the workspace's lock."""
    record, kept = root / "dvc.lock", root / ".diptych" / "tmp" / "dvc.lock"
    if record.exists() and not _is_yaml(record):
        if kept.exists():
            shutil.copyfile(kept, record)
        else:
            record.unlink()  # the stages are found in DVC's run cache again
    for left in (root / ".diptych" / "tmp").glob(f"{PARTIAL}*"):
        if not Path("/proc", left.name.rpartition(".")[2]).exists():
            left.unlink(missing_ok=True)
    folder = root / ".dvc" / "tmp"
    if (folder / "rwlock").exists():
        with hold(folder / "rwlock.lock", "DVC's lock file", wait_s=5.0):
            _release_dead(folder / "rwlock")


def _is_yaml(path: Path) -> bool:
    try:
        return isinstance(load_yaml(path.read_text()), dict)
    except (yaml.YAMLError, UnicodeDecodeError):
        return False


def _release_dead(path: Path) -> None:
    """Drop what processes hold that are no dvc any more. DVC itself looks at the pid only, which is soon used again."""
    try:
        locks = json.loads(path.read_text())
        readers = {name: [held for held in all_held if _lives(held)] for name, all_held in locks["read"].items()}
        writers = {name: held for name, held in locks["write"].items() if _lives(held)}
    except (ValueError, KeyError, TypeError, AttributeError):  # cut off while it was written
        return path.unlink()
    path.write_text(json.dumps({"write": writers, "read": {name: held for name, held in readers.items() if held}}))


def _lives(held: dict[str, object]) -> bool:
    try:
        return b"dvc" in Path(f"/proc/{held['pid']}/cmdline").read_bytes()
    except OSError:
        return False
