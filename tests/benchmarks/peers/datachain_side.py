"""`python datachain_side.py BEFORE AFTER`: what DataChain's diff says of two Parquet files, a line of JSON, change -> rows."""

import json
import sys
from importlib.metadata import version

import datachain as dc


def main() -> None:
    """Read both, compare by key, and print."""
    before, after = (dc.read_parquet(path, source=False) for path in sys.argv[1:3])
    found = after.diff(before, on="key", added=True, deleted=True, modified=True, same=True, status_col="change")
    counts: dict[str, int] = {}
    for change in found.to_values("change"):
        counts[change] = counts.get(change, 0) + 1
    print(json.dumps({"version": version("datachain"), "found": counts}))


if __name__ == "__main__":
    main()
