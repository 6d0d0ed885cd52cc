"""`python imgclean_side.py FOLDER`: what imgclean's default checks find, a line of JSON, file -> issues."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

from imgclean import scan_dataset


def main() -> None:
    """Look, and print."""
    report = scan_dataset(sys.argv[1], cache=False)
    found: dict[str, list[str]] = {}
    for finding in report.findings:
        found.setdefault(Path(finding.file_path).name, []).append(finding.issue_type.value)
    print(json.dumps({"version": version("imgclean"), "found": found}))


if __name__ == "__main__":
    main()
