"""Lists of pictures that must not be used, whoever brings them, by what they are and not by where they lie.

A text file, a line each, what follows # is a remark: 64 hex digits are the sha256 of the file, or the pixel_sha256 of
report and manifest, which finds the picture however it is encoded; 16 are its perceptual hash, which finds what looks alike. `python -m components.validation.takedown PICTURE` prints them.
"""

import hashlib
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.contracts.errors import ConfigError
from components.data.aside import Aside
from components.data.perceptual import perceptual_hash
from components.data.pictures import look_at, on_white
from components.data.transforms.preprocess import BadImage

LIST = "data/takedown.txt"  # of a workspace
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LOOKS = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Takedown:
    """What is on a list.

    Args:
        digests: sha256 of files, or of pixels.
        looks: perceptual hashes.
    """

    digests: frozenset[str] = field(default_factory=frozenset)
    looks: tuple[int, ...] = ()


def read_takedown(path: Path) -> Takedown:
    """Return the list. ConfigError, with the line, for what is no hash; OSError when the file cannot be read."""
    digests, looks = set(), set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        said = line.partition("#")[0].strip().lower()
        if _DIGEST.fullmatch(said):
            digests.add(said)
        elif _LOOKS.fullmatch(said):
            looks.add(int(said, 16))
        elif said:
            raise ConfigError(
                f"{path.name}, line {number}: {said!r} is no hash, so a picture that is to be kept out would stay. Give 64 hex "
                "digits (sha256 of the file or of the pixels) or 16 (perceptual hash), and remarks after #."
            )
    return Takedown(digests=frozenset(digests), looks=tuple(sorted(looks)))


def add_lines(path: Path, lines: Mapping[str, str]) -> int:
    """Add digest -> remark to a list, those that it does not have yet, and return how many; the file is replaced whole.

    ConfigError where a line that is there is no hash; OSError when the file cannot be read or written.
    """
    known = read_takedown(path).digests
    new = [f"{digest}  # {' '.join(remark.split())}" for digest, remark in lines.items() if digest not in known]
    if new:
        text = path.read_text(encoding="utf-8")
        aside = Aside(path)
        with aside.explaining():
            aside.partial.write_text("\n".join([text.rstrip("\n"), *new]).lstrip("\n") + "\n", encoding="utf-8")
            aside.put()
    return len(new)


def lines_of(data: bytes, name: str) -> str:
    """Return what the list may have of a picture; only its file's sha256 where it cannot be decoded."""
    lines = [f"{hashlib.sha256(data).hexdigest()}  # {name}: this file"]
    try:
        picture = on_white(data)
    except BadImage:
        return lines[0]
    lines.append(f"{look_at(picture).pixel_sha256}  # {name}: these pixels, however encoded")
    lines.append(f"{perceptual_hash(picture):016x}  # {name}: whatever looks alike")
    return "\n".join(lines)


def main(argv: Sequence[str]) -> int:
    """Print the lines for every file named, and return the exit code."""
    if not argv:
        print("usage: python -m components.validation.takedown PICTURE...", file=sys.stderr)
        return 2
    for name in argv:
        print(lines_of(Path(name).read_bytes(), Path(name).name))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
