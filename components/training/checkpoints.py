"""The checkpoints of a training: each known to be whole by its name, and the last two kept.

`step-<step>-<sha256>.ckpt` is written aside, brought to the disk, then renamed, so that a name stands for whole bytes. A file
whose bytes are no longer those of its name (a disk that lies, a copy that was cut off) is passed over for the one before.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from components.contracts.errors import ConfigError
from components.contracts.sealed import sha256_of

KEPT = 2  # the newest, and the one to fall back to
_BACK = "went_back.json"
_NAME = re.compile(r"step-(\d+)-([0-9a-f]{64})\.ckpt")
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One that is whole.

    Args:
        path: where it lies.
        step: optimizer steps that are behind it.
    """

    path: Path
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WentBack:
    """How a training has gone back, of which the checkpoint that it went back to cannot know.

    Args:
        to: the name of that checkpoint; empty where there is none.
        left_out: steps whose batch is left out since.
        tries: steps at which there was trouble.
    """

    to: str = ""
    left_out: frozenset[int] = frozenset()
    tries: frozenset[int] = frozenset()


class Checkpoints:
    """Those of one training.

    Args:
        folder: where they lie; of this training alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def aside(self) -> Path:
        """Where the next one is to be written."""
        return self.folder / "checkpoint.part"

    def keep(self, step: int) -> Path:
        """Give what lies aside its name, once it is on the disk; drop all but the one before it.

        One of this step or a later one is damaged, or of a course that was left. The first of all begins a course, which never went back.
        """
        if self.went_back(say=lambda _: None) == WentBack():
            (self.folder / _BACK).unlink(missing_ok=True)
        with self.aside.open("rb") as written:
            os.fsync(written.fileno())
        named = self.folder / f"step-{step:09d}-{sha256_of(self.aside)}.ckpt"
        self.aside.replace(named)
        _sync(self.folder)
        before = [path for path in self._named() if _said(path)[0] < step][: KEPT - 1]
        for path in self._named():
            if path not in (named, *before):
                path.unlink(missing_ok=True)
        return named

    def newest(self, say: Callable[[str], None]) -> Checkpoint | None:
        """Return the newest that is whole, None where there is none; `say` gets a sentence when newer ones are damaged."""
        named, damaged = self._named(), []
        found = None
        for path in named:
            step, promised = _said(path)
            if sha256_of(path) == promised:
                found = Checkpoint(path=path, step=step)
                break
            damaged.append(f"step {step} ({path.stat().st_size:,} bytes)")
        if damaged:
            then = f"training goes on from the one of step {found.step}" if found else "training begins anew"
            say(f"damaged, and left out: the checkpoint of {' and of '.join(damaged)}; {then}")
        return found

    def drop_newest(self) -> None:
        """Drop the newest where there is one before it, which is then gone on from."""
        newest, *older = self._named()
        if older:
            newest.unlink(missing_ok=True)

    def go_back(self, back: WentBack) -> None:
        """Leave word that training goes back, for whoever goes on where it is killed before its next checkpoint."""
        partial = self.folder / f"{_BACK}.part"
        with partial.open("w", encoding="utf-8") as file:
            json.dump({"to": back.to, "left_out": sorted(back.left_out), "tries": sorted(back.tries)}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.folder / _BACK)
        _sync(self.folder)

    def went_back(self, say: Callable[[str], None]) -> WentBack:
        """Return how training went back last; without steps where it never did, or what did is gone: where it went back to a checkpoint, and none lies here.

        `say` gets a sentence where the word that was left is damaged, and as good as none.
        """
        try:
            said = json.loads((self.folder / _BACK).read_text(encoding="utf-8"))
            left_out, tries = (frozenset(map(int, said[name])) for name in ("left_out", "tries"))
            back = WentBack(to=str(said["to"]), left_out=left_out, tries=tries)
        except FileNotFoundError:
            return WentBack()
        except (ValueError, KeyError, TypeError) as err:
            say(
                f"damaged, and left out: {_BACK} ({type(err).__name__}); steps that led to where training went back are not left out, "
                "unless the checkpoint knows of them"
            )
            return WentBack()
        return back if self._named() or not back.to else WentBack()

    def _named(self) -> list[Path]:
        """Return the files, newest first."""
        found = [path for path in self.folder.glob("step-*.ckpt") if _NAME.fullmatch(path.name)]
        return sorted(found, key=lambda path: (_said(path)[0], path.stat().st_mtime_ns), reverse=True)


def check_fits(path: Path, module: nn.Module) -> None:
    """Raise ConfigError, naming the keys that differ, when a checkpoint's weights are not those of this module."""
    kept: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)["state_dict"]
    differing = keys_that_differ(kept, module.state_dict())
    if differing:
        raise ConfigError(
            f"{path} is of another model: {'; '.join(differing)}. What fits would be trained on beside weights that were just "
            f"drawn. Give the recipe the sizes it was trained with, or remove step-*.ckpt and {_BACK}, where there is one, from {path.parent} to "
            "begin anew."
        )


def keys_that_differ(kept: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> list[str]:
    """Return what two sets of weights do not have in common, a clause for each kind of difference; [] where nothing differs."""
    other = [name for name in kept if name in ours and kept[name].shape != ours[name].shape]
    shapes = [f"{name} {tuple(kept[name].shape)} and not {tuple(ours[name].shape)}" for name in other]
    kinds = {
        "it lacks": [name for name in ours if name not in kept],
        "only it has": [name for name in kept if name not in ours],
        "it has": shapes,
    }
    return [f"{kind} {_listed(names)}" for kind, names in kinds.items() if names]


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _said(path: Path) -> tuple[int, str]:
    found = _NAME.fullmatch(path.name)
    assert found is not None
    return int(found[1]), found[2]


def _sync(folder: Path) -> None:
    """Bring a rename to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
