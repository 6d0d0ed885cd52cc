"""`python fastdup_side.py FOLDER`: invalid files, similarity clusters, and blur and brightness by the thresholds of fastdup's summary.

Its outliers are a fixed share of any data, so they are no finding. A line of JSON, file -> issues.
"""

import json
import sys
import tempfile
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import fastdup

BLUR, BRIGHT, DARK = 150.0, 253.0, 4.0  # defaults of FastdupController.summary
SAME = 0.96  # its default for connected components


def main() -> None:
    """Look, and print."""
    found: dict[str, list[str]] = {}

    def add(names: Iterable[str], issue: str) -> None:
        for name in names:
            found.setdefault(Path(name).name, []).append(issue)

    with tempfile.TemporaryDirectory() as folder:
        made = fastdup.create(work_dir=folder, input_dir=sys.argv[1])
        made.run(overwrite=True, num_threads=1, print_summary=False)
        invalid = made.invalid_instances()
        for code, name in zip(invalid["error_code"], invalid["filename"], strict=True):
            add([name], str(code))
        alike = made.similarity()
        alike = alike[alike["distance"] >= SAME]
        add({*alike["filename_from"], *alike["filename_to"]}, "similar")
        stats = made.img_stats()
        add(stats["filename"][stats["blur"] < BLUR], "blurry")
        add(stats["filename"][stats["mean"] > BRIGHT], "bright")
        add(stats["filename"][stats["mean"] < DARK], "dark")
    print(json.dumps({"version": version("fastdup"), "found": found}))


if __name__ == "__main__":
    main()
