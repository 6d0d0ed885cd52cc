"""How much memory an index of vectors holds in a process that has opened it and answered: `python -m tests.benchmarks.index_memory INDEX.npy FOLDER FEW`.

Anonymous memory is counted (/proc/self/smaps_rollup), which nobody else has and no file gives back: the vectors themselves lie on disk, and what of them was read may go at any
time. A process of its own, since memory that was let go before would be taken again without a trace. Prints 10**6 bytes.
"""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

from components.serving.search.vectors import FEW, Vectors

QUESTIONS = 20


def held_mb(index: Path, folder: Path, few: int = FEW) -> float:
    """Return the memory of an index in 10**6 bytes, opened by a process of its own; where it needs codes, they are in `folder` already."""
    command = [sys.executable, "-m", "tests.benchmarks.index_memory", str(index), str(folder), str(few)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def anonymous_bytes() -> int:
    """Return the anonymous memory of this process."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError("/proc/self/smaps_rollup has no line Anonymous; Linux from 4.14 on has one.")


def main(index: str, folder: str, few: str) -> None:
    """Open, ask, print."""
    import_module("faiss")  # which an index of codes imports, and is none of it
    before = anonymous_bytes()
    vectors = Vectors(Path(index), Path(folder), int(few))
    for at in range(0, len(vectors), max(1, len(vectors) // QUESTIONS)):
        vectors.nearest(vectors.row(at), 10)
    print(round((anonymous_bytes() - before) / 1e6, 1))


if __name__ == "__main__":
    main(*sys.argv[1:])
