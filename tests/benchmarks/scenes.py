"""How fast scenes are drawn and written about: pictures per CPU-second of one process, PNG, captions and regions in it.

    python -m tests.benchmarks.scenes --json docs/benchmarks/scenes.json

Prints one JSON object as its last line, and writes it where asked for.
"""

import argparse
import json
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

from components.contracts.progress import silent
from components.data.synthetic.scenes import ScenesSource
from components.data.synthetic.writer import GRAMMARS, KINDS, concept

SETTINGS: dict[str, dict[str, Any]] = {
    "as they come, 64 px": {},
    "without regions": {"regions": False},
    "three to five things, 96 px": {"scene": {"things": [3, 5], "size_px": 96}},
    "every kind of caption in every language": {"captions": KINDS, "languages": tuple(GRAMMARS)},
    "alt captions of which 4 in 10 are swapped": {"captions": {"alt": {"swapped": 0.4}, "short": {"drop": 0.3}}},
}


def main() -> None:
    """Draw with each of the settings, count sentences, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2_000)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    list(ScenesSource(pictures=500).samples(1, silent))  # the stamps are made once
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    said = {
        "bench": "scenes",
        "pictures": asked.pictures,
        "turns": 5,
        "pictures_per_cpu_s": {name: rate(asked.pictures, settings) for name, settings in SETTINGS.items()},
        "sentences": sentences(200_000),
        "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}",
        "commit": commit,
    }
    if asked.json:
        asked.json.write_text(json.dumps(said, indent=2) + "\n")
    print(json.dumps(said))


def rate(pictures: int, settings: dict[str, Any]) -> int:
    """Return samples per CPU-second, the best of five turns: what else runs on a machine only makes it slower."""
    source, took = ScenesSource(pictures=pictures, **settings), []
    for _ in range(5):
        began = time.process_time()
        for _ in source.samples(0, silent):
            pass
        took.append(time.process_time() - began)
    return round(pictures / min(took))


def sentences(pictures: int) -> dict[str, int]:
    """Return how many different things are said of that many pictures, by how many things are in them."""
    found = {"pictures": pictures}
    for count in (1, 2, 3):
        source = ScenesSource(pictures=pictures, scene={"things": [count, count]})
        found[f"of {count} things"] = len({concept(shown.scene) for shown in source.shown(0)})
    return found


if __name__ == "__main__":
    main()
