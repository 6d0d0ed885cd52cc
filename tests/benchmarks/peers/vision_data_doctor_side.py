"""`python vision_data_doctor_side.py FOLDER`: what its command `data-doctor scan` finds, a line of JSON, file -> issues."""

import json
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path


def main() -> None:
    """Look, and print."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        command = [str(Path(sys.executable).with_name("data-doctor")), "scan", sys.argv[1], "--json", str(path)]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False)  # it ends with 1 where it found something
        said = json.loads(path.read_text())
    found: dict[str, list[str]] = {}
    for issue, names in (
        ("corrupt", said["corrupt"]),
        ("exact_duplicate", [name for group in said["exact_duplicate_groups"] for name in group]),
        ("near_duplicate", [name for group in said["near_duplicate_groups"] for name in group]),
    ):
        for name in names:
            found.setdefault(Path(name).name, []).append(issue)
    print(json.dumps({"version": version("vision-data-doctor"), "found": found}))


if __name__ == "__main__":
    main()
