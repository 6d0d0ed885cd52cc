"""Disks in memory, which are filled to the last byte; root alone may mount one."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def need_root(drill: str) -> None:
    """End this program where who runs it may not mount a disk."""
    if os.geteuid() != 0:
        sys.exit(f"the drill mounts a disk in memory for {drill}, which root alone may do. Run it as root.")


def mount(*arguments: str) -> None:
    """Mount; RuntimeError, with what it says, where this machine does not let us."""
    ran = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(
            f"mount {' '.join(arguments)}: {ran.stderr.strip()}. The drill needs a machine where root may mount."
        )


@contextmanager
def mounted(at: Path, size: str) -> Iterator[Path]:
    """Have a disk of that size, such as 3g, in a folder that is made for it, while the block runs."""
    at.mkdir()
    mount("-t", "tmpfs", "-o", f"size={size},mode=0711", "tmpfs", str(at))
    try:
        yield at
    finally:
        subprocess.run(["umount", str(at)], check=True)
        at.rmdir()


@contextmanager
def full(disk: Path) -> Iterator[int]:
    """Have the disk full while the block runs; yield the bytes that it took."""
    ballast = disk / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            for size in (2**20, 2**12, 1):
                fill(file, size)
        yield ballast.stat().st_size
    finally:
        ballast.unlink()


def fill(file: IO[bytes], size: int) -> None:
    """Write as many bytes at once until there is no room for them."""
    try:
        while file.write(bytes(size)):
            pass
    except OSError as err:
        if err.errno != errno.ENOSPC:
            raise
