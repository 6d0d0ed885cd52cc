"""Files of a folder that anybody may have filled: links in circles, pipes, odd names and what may not be read hold nothing up."""

import os
import stat
from pathlib import Path

from components.data.shards import MAX_PICTURE_BYTES

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
DOCUMENTS = frozenset({"readme", "license", "licence", "notice"})  # files about the pictures, and none of them
UNREADABLE_FOLDERS = "folders that cannot be read"
TWICE = "folders that were read already, under another name"
HIDDEN = "hidden files and folders"
NO_FILES = "links to nothing, pipes and the like"


def printable(name: str) -> str:
    """Return a file's name as text that any file can hold, however its bytes were written."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def is_hidden(name: str) -> bool:
    """Return whether a file, or a folder it is in, is one that people do not see."""
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def suffix_of(data: bytes) -> str:
    """Return the suffix of a picture that has no name, by its first bytes; that of a PNG where they say nothing."""
    kinds = {b"\xff\xd8": ".jpg", b"RIFF": ".webp", b"GIF8": ".gif", b"BM": ".bmp", b"II*\0": ".tif", b"MM\0*": ".tif"}
    return next((suffix for first, suffix in kinds.items() if data.startswith(first)), ".png")


def bytes_of(path: Path) -> bytes | str:
    """Return the bytes of a regular file that is not too large, or why not."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe of that name would wait for a writer for ever
    except OSError as err:
        return err.strerror or str(err)
    with open(opened, "rb") as file:  # noqa: PTH123 -- of a descriptor
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            return "no regular file"
        if about.st_size > MAX_PICTURE_BYTES:
            return f"{about.st_size / 2**20:,.0f} MiB; at most {MAX_PICTURE_BYTES // 2**20} are read"
        try:
            return file.read()
        except OSError as err:
            return err.strerror or str(err)


def files_below(folder: Path) -> tuple[list[tuple[str, Path]], dict[str, list[str]]]:
    """Return the regular files, as (path below the folder, path), sorted; and what was passed over -> its names.

    Links are followed, each folder once, so a link that leads back up is no endless way. Hidden files are passed over.
    """
    files: list[tuple[str, Path]] = []
    passed: dict[str, list[str]] = {}
    seen: set[tuple[int, int]] = set()

    def walk(inside: Path, below: str) -> None:
        try:
            about = inside.stat()
            entries = sorted(os.scandir(inside), key=lambda entry: entry.name)
        except OSError as err:
            passed.setdefault(UNREADABLE_FOLDERS, []).append(f"{printable(below)} ({err.strerror})")
            return
        if (about.st_dev, about.st_ino) in seen:
            passed.setdefault(TWICE, []).append(printable(below))
            return
        seen.add((about.st_dev, about.st_ino))
        for entry in entries:
            name = f"{below}/{entry.name}" if below else entry.name
            if is_hidden(entry.name):
                passed.setdefault(HIDDEN, []).append(printable(name))
                continue
            mode = _mode(entry)
            if stat.S_ISDIR(mode):
                walk(inside / entry.name, name)
            elif stat.S_ISREG(mode):
                files.append((printable(name), inside / entry.name))
            else:
                passed.setdefault(NO_FILES, []).append(printable(name))

    walk(folder, "")
    return files, passed


def _mode(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_mode
    except OSError:
        return 0
