"""Export a snapshot as Croissant, have mlcroissant read it, and hold every record against the manifest and the shards.

    python -m tests.benchmarks.croissant_read

Prints one JSON object as its last line; exits with 1 where anything is missing or differs.
"""

import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

from PIL import Image

from components.data.manifest import read_manifest
from components.data.shards import open_pictures
from flows.cli import main as diptych
from tests.benchmarks.environments import python_of
from tests.flows.versioned import names, snapshot

SAMPLES = 60  # in three shards


def main() -> int:
    """Write, read and compare."""
    side = Path(__file__).parent / "peers/mlcroissant_side.py"
    with tempfile.TemporaryDirectory() as folder:
        raw = snapshot(Path(folder) / "raw", names(SAMPLES))
        with redirect_stdout(sys.stderr):
            diptych(["data", "export", str(raw), "--as", "croissant", "--to", str(raw / "croissant.json")])
        environment = {**os.environ, "CROISSANT_CACHE": f"{folder}/cache"}
        read = subprocess.run(
            [python_of("mlcroissant"), side, raw / "croissant.json"], env=environment, cwd=folder, capture_output=True, text=True,
        )  # fmt: skip
        if read.returncode:
            print(read.stderr, file=sys.stderr)
            return 1
        found = json.loads(read.stdout.splitlines()[-1])
        manifest = read_manifest(raw / "manifest.parquet")
        rows = {row["key"]: [row["width"], [text["text"] for text in row["texts"]]] for row in manifest.to_pylist()}
        pictures = {key: _pixels(data) for key, data in open_pictures(raw, manifest)}
    same = found["samples"] == rows and found["pictures"] == pictures and not found["errors"]
    told = {
        "bench": "croissant_read",
        "peer": "mlcroissant",
        "peer_version": found["version"],
        "errors": found["errors"],
    }
    print(json.dumps(told | {"samples": len(found["samples"]), "pictures": len(found["pictures"]), "same": same}))
    return int(not same)


def _pixels(data: bytes) -> str:
    return hashlib.sha256(Image.open(io.BytesIO(data)).convert("RGB").tobytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
