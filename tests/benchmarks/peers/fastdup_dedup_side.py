"""`python fastdup_dedup_side.py FOLDER`: which pictures go, all but one of each group that is as similar as its default asks. A line of JSON."""

import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import fastdup

SAME = 0.96  # its default for connected components


def main() -> None:
    """Look, and print."""
    first: dict[str, str] = {}

    def top(name: str) -> str:
        while first.setdefault(name, name) != name:
            name = first[name]
        return name

    with tempfile.TemporaryDirectory() as folder:
        made = fastdup.create(work_dir=folder, input_dir=sys.argv[1])
        made.run(overwrite=True, num_threads=1, print_summary=False)
        alike = made.similarity()
        alike = alike[alike["distance"] >= SAME]
        for one, other in zip(alike["filename_from"], alike["filename_to"], strict=True):
            low, high = sorted((top(Path(one).name), top(Path(other).name)))
            first[high] = low
    removed = sorted(name for name in first if top(name) != name)
    print(json.dumps({"version": version("fastdup"), "removed": removed}))


if __name__ == "__main__":
    main()
