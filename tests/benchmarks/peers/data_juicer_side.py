"""`python data_juicer_side.py FOLDER`: the rows of flat.parquet that Data-Juicer's filters keep, as theirs/kept.parquet. A line of JSON.

Its own executor, as `dj-process` starts it, on one core. What takes longer than it helps here is off: watching its own
resources, and caches that a second run would read. An operator that fails is an error, where it would by default keep the row.
"""

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "UV_OFFLINE": "1",
    "PIP_NO_INDEX": "1",
}  # before it is imported

from data_juicer.config import init_configs
from data_juicer.core import DefaultExecutor


def main() -> None:
    """Filter, and print."""
    folder = Path(sys.argv[1])
    config = {
        "project_name": "keep", "dataset_path": str(folder / "flat.parquet"), "export_path": str(folder / "theirs/kept.parquet"),
        "np": 1, "skip_op_error": False, "open_monitor": False, "use_cache": False,
        "process": json.loads((folder / "filters.json").read_text()),
    }  # fmt: skip
    (folder / "theirs.yaml").write_text(json.dumps(config))  # JSON is YAML
    DefaultExecutor(init_configs(["--config", str(folder / "theirs.yaml")])).run(skip_return=True)
    print(
        json.dumps({"version": version("py-data-juicer")}), file=sys.__stdout__
    )  # it takes over sys.stdout for its log


if __name__ == "__main__":
    main()
