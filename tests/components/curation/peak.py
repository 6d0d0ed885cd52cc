"""How much more memory than before Deduplicate takes to look at rows: `python -m tests.components.curation.peak FOLDER MEMORY_MB WAY ...`.

A process of its own, since the most that a process held is known since its start. FOLDER has `rows.arrow` and `prints.arrow`.
Prints one JSON object.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa

from components.contracts.features import Feature, Features
from components.curation.ops.deduplicate import Deduplicate


def main() -> None:
    """Look at the rows, print."""
    folder, memory_mb, ways = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    rows, prints = (read(folder / f"{name}.arrow") for name in ("rows", "prints"))
    features = Features().plus(Feature(name="prints", model="drawn", table=prints))
    few = rows.slice(0, 100)
    Deduplicate(by=ways).alike_ones(
        few, Features().plus(Feature(name="prints", model="drawn", table=prints.slice(0, 100)))
    )
    before, began = psutil.Process().memory_info().rss, time.process_time()
    found = Deduplicate(by=ways, memory_mb=memory_mb).alike_ones(rows, features)
    said = {reason: sorted(np.asarray(places).tolist()) for reason, places in found.items()}
    cpu_s = time.process_time() - began
    print(json.dumps({"more_mb": (peak_bytes() - before) / 1e6, "cpu_s": cpu_s, "found": said}))


def peak_bytes() -> int:
    """Return the most that was held; getrusage would give what the process that started this one held, where that is more."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def read(path: Path) -> pa.Table:
    """Return a table as it lies in the file, which takes no more memory than the table."""
    with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as opened:
        return opened.read_all()


if __name__ == "__main__":
    main()
