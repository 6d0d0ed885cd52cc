"""`diptych data check` beside cleanvision, fastdup, imgclean and vision-data-doctor on one folder with planted defects.

    python -m tests.benchmarks.data_check --clean 450 --each 6

Every tool runs with its defaults, in an environment and a process of its own, one after the other, on the same files; starting
it counts. A defect is found where the tool names the file for a fitting issue; of two copies, one is enough. A false alarm is a
sound picture that is named for anything. A tool that ends with an error on the whole folder runs again without the
files that Pillow cannot decode, and that is said. Prints one JSON object as its last line.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from components.data.transforms.preprocess import BadImage, decode
from tests.benchmarks.environments import python_of
from tests.defects import CAPTIONS, COPIES, NOTHING, PICTURES, plant

KINDS = (*PICTURES, *CAPTIONS, *COPIES)
_SAME = ("exact_duplicate", "near_duplicate", "exact_duplicates", "near_duplicates", "similar")
_UNREADABLE = ("truncated", "zero_bytes", "not_an_image", "html")
_OURS = {kind: {kind} for kind in KINDS if kind not in ("dark", "blurred")} | {
    "html": {"not_an_image"}, "overexposed": {"blank"}, "empty_caption": {"no_caption"}, "email": {"pii_text"},
    "phone": {"pii_text"}, "card": {"pii_text"}, "exact": {"twin_in_train"}, "reencoded": {"near_duplicate", "twin_in_train"},
    "resized": {"near_duplicate"},
}  # fmt: skip

# Tool -> kind of defect -> issues of the tool that fit it. A kind that is not there is one that the tool does not look for.
FITS: dict[str, dict[str, set[str]]] = {
    "diptych": _OURS,
    "cleanvision": {
        "too_small": {"odd_size"}, "bomb": {"odd_size"}, "aspect": {"odd_aspect_ratio"}, "dark": {"dark"},
        "blank": {"low_information", "light"}, "overexposed": {"light", "low_information"}, "blurred": {"blurry"},
        **{kind: set(_SAME) for kind in COPIES},
    },
    "fastdup": {
        "truncated": {"ERROR_CORRUPT_IMAGE"}, "zero_bytes": {"ERROR_ZERO_SIZE_FILE"}, "not_an_image": {"ERROR_CORRUPT_IMAGE"},
        "html": {"ERROR_CORRUPT_IMAGE"}, "too_small": {"ERROR_IMAGE_TOO_SMALL"}, "dark": {"dark"}, "overexposed": {"bright"},
        "blurred": {"blurry"}, **{kind: set(_SAME) for kind in COPIES},
    },
    "imgclean": {
        **{kind: {"corrupted"} for kind in _UNREADABLE}, "too_small": {"low_resolution"}, "aspect": {"aspect_ratio"},
        "dark": {"underexposed"}, "overexposed": {"overexposed"}, "blank": {"overexposed", "blurry"}, "blurred": {"blurry"},
        **{kind: set(_SAME) for kind in COPIES},
    },
    "vision_data_doctor": {
        **{kind: {"corrupt"} for kind in _UNREADABLE}, **{kind: set(_SAME) for kind in COPIES},
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What came of one tool.

    Args:
        version: of the tool.
        found: file -> issues.
        wall_s: seconds, with its start.
        cpu_s: of it and its children.
        error: last line of what it said when it ended early on the whole folder; wall_s and cpu_s are of the second run then.
    """

    version: str
    found: Mapping[str, Sequence[str]]
    wall_s: float
    cpu_s: float
    error: str | None = None


def main() -> None:
    """Plant, let each tool look, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clean", type=int, default=450)
    parser.add_argument("--each", type=int, default=6)
    parser.add_argument("--tools", nargs="+", default=list(FITS), choices=list(FITS))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        heap = Path(folder) / "heap"
        truth = plant(heap, asked.clean, asked.each)
        ran = {tool: look(tool, heap, Path(folder)) for tool in asked.tools}
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    said = {
        "bench": "data_check", "pictures": len(truth), "clean": asked.clean, "each": asked.each,
        "tools": {tool: score(tool, its, truth) for tool, its in ran.items()},
        "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}", "commit": commit.stdout.strip(),
    }  # fmt: skip
    print(json.dumps(said))


def look(tool: str, heap: Path, scratch: Path) -> Ran:
    """Return what a tool finds in a folder; without what Pillow cannot decode where it ends with an error on all of it."""
    if tool == "diptych":
        return _ours(heap, scratch / "out")
    python, side = python_of(tool), Path(__file__).parent / "peers" / f"{tool}_side.py"
    done, wall, cpu = timed([str(python), str(side), str(heap)])
    error = None
    if done.returncode:
        error = done.stderr.strip().splitlines()[-1]
        rest = scratch / f"decodable for {tool}"
        shutil.copytree(heap, rest, ignore=lambda _, names: [name for name in names if not _decodable(heap / name)])
        done, wall, cpu = timed([str(python), str(side), str(rest)])
    if done.returncode:
        raise RuntimeError(f"{tool} ended with an error on pictures that can be decoded:\n{done.stderr[-2000:]}")
    said = json.loads(done.stdout.splitlines()[-1])
    return Ran(version=said["version"], found=said["found"], wall_s=wall, cpu_s=cpu, error=error)


def _ours(heap: Path, out: Path) -> Ran:
    done, wall, cpu = timed(
        [sys.executable, "-m", "flows.cli", "data", "check", str(heap), "--out", str(out), "--json"]
    )
    done.check_returncode()
    found: dict[str, list[str]] = {}
    for name in ("quarantine", "told"):
        for row in pq.read_table(out / f"{name}.parquet").to_pylist():
            found.setdefault(_picture(row), []).append(row["reason"])
    return Ran(version=version("diptych"), found=found, wall_s=wall, cpu_s=cpu)


def _picture(row: Mapping[str, str]) -> str:
    """Return the picture's name: of what did not come in, the key is that, and the member may be the .txt beside it."""
    return row["key"] if Path(row["key"]).suffix else row["member"]


def timed(command: Sequence[str]) -> tuple["subprocess.CompletedProcess[str]", float, float]:
    """Return what ran, and its seconds by the clock and of CPU."""
    wall, cpu = time.perf_counter(), _children_cpu_s()
    environment = os.environ | {"OMP_NUM_THREADS": "1", "SENTRY_OPT_OUT": "1", "MPLBACKEND": "agg"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done, round(time.perf_counter() - wall, 1), round(_children_cpu_s() - cpu, 1)


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _decodable(path: Path) -> bool:
    if path.suffix == ".txt":
        return True
    try:
        decode(path.read_bytes())
    except BadImage as err:
        return "pixels" in str(err)  # a bomb of ours is none of theirs
    return True


def score(tool: str, ran: Ran, truth: Mapping[str, str]) -> dict[str, object]:
    """Return per kind how many of how many were found (None: not looked for), false alarms, and what it took."""
    fits = FITS[tool]
    planted, found = Counter[str](), Counter[str]()
    names = [name for name, kind in truth.items() if kind != NOTHING]
    at = 0
    while at < len(names):
        kind = truth[names[at]]
        group = names[at : at + 2] if kind in COPIES else names[at : at + 1]
        at += len(group)
        planted[kind] += 1
        found[kind] += any(fits.get(kind, set()).intersection(ran.found.get(name, ())) for name in group)
    alarms = Counter(issue for name, kind in truth.items() if kind == NOTHING for issue in set(ran.found.get(name, ())))
    return {
        "version": ran.version, "found": {kind: found[kind] if kind in fits else None for kind in planted},
        "defects_found": sum(found.values()), "defects": sum(planted.values()),
        "false_alarms": sum(1 for name, kind in truth.items() if kind == NOTHING and ran.found.get(name)),
        "alarmed_by": dict(alarms), "wall_s": ran.wall_s, "cpu_s": ran.cpu_s, "error": ran.error,
    }  # fmt: skip


def table(said: Mapping[str, Any]) -> str:
    """Return the result as docs/checks.md prints it."""
    tools: Mapping[str, Mapping[str, Any]] = said["tools"]
    each = said["each"]

    def row(head: str, cells: Sequence[str]) -> str:
        return f"| {head} | {' | '.join(cells)} |"

    def cell(its: Mapping[str, Any], kind: str) -> str:
        count = its["found"][kind]
        return "–" if count is None else f"{count} of {each}"

    def looked(its: Mapping[str, Any]) -> int:
        return said["each"] * sum(count is not None for count in its["found"].values())

    lines = [
        row("", [f"{tool.replace('_', '-')} {its['version']}" for tool, its in tools.items()]),
        row("---", ["---"] * len(tools)),
    ]
    lines += [row(kind.replace("_", " "), [cell(its, kind) for its in tools.values()]) for kind in KINDS]
    lines += [
        row("found, of those looked for", [f"**{its['defects_found']} of {looked(its)}**" for its in tools.values()]),
        row(f"false alarms, of {said['clean']}", [str(its["false_alarms"]) for its in tools.values()]),
        row("CPU-seconds", [f"{its['cpu_s']}" for its in tools.values()]),
        row("seconds", [f"{its['wall_s']}" for its in tools.values()]),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
