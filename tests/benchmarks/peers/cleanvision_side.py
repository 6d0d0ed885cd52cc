"""`python cleanvision_side.py FOLDER`: what cleanvision's default issues are, a line of JSON, file -> issues."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

from cleanvision import Imagelab


def main() -> None:
    """Look, and print."""
    lab = Imagelab(data_path=sys.argv[1])
    lab.find_issues(n_jobs=1, verbose=False)
    found: dict[str, list[str]] = {}
    for column in lab.issues.columns:
        if column.startswith("is_") and column.endswith("_issue"):
            for path in lab.issues.index[lab.issues[column].astype(bool)]:
                found.setdefault(Path(path).name, []).append(column.removeprefix("is_").removesuffix("_issue"))
    print(json.dumps({"version": version("cleanvision"), "found": found}))


if __name__ == "__main__":
    main()
