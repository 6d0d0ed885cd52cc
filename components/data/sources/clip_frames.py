"""A clip as a folder of numbered pictures: which frames there are, and how many there should be."""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.data.sources.files import PICTURES

_NUMBER = re.compile(r"(\d{1,9})$")  # at the end of a name without its suffix


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFrames:
    """The frames of one clip.

    Args:
        files: frame, from 0 -> its picture.
        first: the number that the first frame has in its name, 0 or 1.
    """

    files: Mapping[int, Path]
    first: int = 0

    @property
    def count(self) -> int:
        """Return how many frames the clip has, up to the last that is there."""
        return max(self.files, default=-1) + 1

    def missing(self, frames: range) -> list[int]:
        """Return the numbers, as names have them, of those of `frames` that are not there."""
        return [frame + self.first for frame in frames if frame not in self.files]


def clip_frames(folder: Path) -> ClipFrames:
    """Return the pictures of a folder by the number at the end of their names; none where there is no such folder.

    The first frame is called 0 where a picture is, else 1: so frames that are missing at the start are noticed. Of two
    pictures of one number the first by name is taken. OSError when the folder cannot be read.
    """
    numbered: dict[int, Path] = {}
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return ClipFrames(files={})
    for entry in entries:
        path = folder / entry.name
        number = _NUMBER.search(path.stem)
        if number and path.suffix.lower() in PICTURES and _is_file(entry):
            numbered.setdefault(int(number[1]), path)
    first = 0 if 0 in numbered else 1
    return ClipFrames(files={number - first: path for number, path in numbered.items()}, first=first)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return stat.S_ISREG(entry.stat().st_mode)
    except OSError:  # a link to nothing
        return False
