"""How often the gate is wrong, by models that are drawn: `python -m tests.benchmarks.gate --keep`.

Of equal models some are promoted falsely; of better ones some are not. Guards are judged beside NeMo Evaluator's gate, on the very same
draws: one set that fell by exactly its margin, with five captions a picture, ten sets that did not fall at all, and both at once: ten sets with five
captions a picture, of which one fell or none. And how long one comparison takes (gate_speed.py). Prints one JSON object as its last line; --keep
writes it to docs/benchmarks/gate.json, --only-speed the time alone.
"""

import argparse
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from components.contracts.promotion import Guard, Rules
from components.evaluation.gate import judge
from components.evaluation.outcomes import Evaluated
from infra.results import processor
from tests.benchmarks.environments import PEERS, python_of
from tests.benchmarks.gate_speed import speed
from tests.benchmarks.loader import commit
from tests.benchmarks.peers.gate_draws import SCENES, Scene
from tests.squares import REPOSITORY

KEPT_AT = REPOSITORY / "docs/benchmarks/gate.json"
BESIDE = tuple(name for name, scene in SCENES.items() if scene.guards)


def main() -> None:
    """Draw, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, help="of each scene, instead of its own; peers always do their own")
    parser.add_argument("--only-ours", action="store_true")
    parser.add_argument("--only-speed", action="store_true", help="scenes stay as they were kept")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(REPOSITORY)}")
    asked = parser.parse_args()
    said: dict[str, Any] = json.loads(KEPT_AT.read_text(encoding="utf-8"))
    said["speed"] = speed()
    if not asked.only_speed:
        said |= drawn(asked.runs, asked.only_ours)
    if asked.keep:
        KEPT_AT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))


def drawn(runs: int | None, only_ours: bool) -> dict[str, Any]:
    """Return what came of every scene, and where and when it was drawn."""
    said: dict[str, Any] = {
        "scenes": {}, "machine": f"{os.cpu_count()} cores, {processor()}", "date": time.strftime("%Y-%m-%d"), "commit": commit(),
        "command": "python -m tests.benchmarks.gate --keep",
    }  # fmt: skip
    for name, scene in SCENES.items():
        said["scenes"][name] = {"promoted": promoted(scene, runs or scene.runs), "runs": runs or scene.runs}
        if name in BESIDE and not only_ours:
            said["scenes"][name] |= {
                "nemo_evaluator": nemo(name),
                "nemo_evaluator_by_picture": nemo(name, "--clusters"),
            }
    return said


def promoted(scene: Scene, runs: int) -> int:
    """Return in how many runs the challenger is promoted."""
    sets = ["primary", *(f"guard {number}" for number in range(scene.guards))]
    guards = tuple(Guard(metric=name, margin=scene.margin, tier="critical") for name in sets[1:])
    rules = Rules(primary="primary", guards=guards)
    return sum(judge(*_both(scene, run, sets), rules, seed=run).outcome == "promoted" for run in range(runs))


def _both(scene: Scene, run: int, sets: list[str]) -> tuple[Evaluated, Evaluated]:
    count = scene.pictures * scene.captions
    queries = pa.array([f"{place:06d}" for place in range(count)])
    groups = pa.array([f"{place // scene.captions:06d}" for place in range(count)])

    def side(label: str, right: np.ndarray) -> Evaluated:
        metrics = {
            name: {"value": float(row.mean()), "unit": "fraction", "better": "up", "tallies": [{"rows": name, "column": "right"}]}
            for name, row in zip(sets, right, strict=True)
        }  # fmt: skip
        rows = {
            name: pa.table({"query": queries, "group": groups, "right": row})
            for name, row in zip(sets, right, strict=True)
        }
        return Evaluated(label=label, metrics=metrics, rows=rows)

    ours, theirs = scene.drawn(run)
    return side("clip@2", ours), side("clip@1", theirs)


def nemo(name: str, *more: str) -> dict[str, Any]:
    """Return in how many runs NeMo Evaluator says go; with --clusters each picture is a category of its own."""
    side = Path(PEERS) / "nemo_evaluator_side.py"
    done = subprocess.run(
        [str(python_of("nemo_evaluator")), str(side), name, *more], capture_output=True, text=True, check=True
    )
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def page(said: dict[str, Any]) -> str:
    """Return what docs/promotion.md prints."""
    found, time_taken = said["scenes"], said["speed"]

    def share(name: str, of: str = "promoted") -> str:
        if name not in found or (of != "promoted" and of not in found[name]):
            return "*not measured*" if name in BESIDE or of == "promoted" else ""
        its = found[name] if of == "promoted" else found[name][of]
        return f"{its['promoted' if of == 'promoted' else 'go'] / its['runs']:.1%}"

    rows = [
        ("the same model twice, drawn: 1,000 pictures", "equal models", "promoted, wrongly"),
        ("2 points better: 5,000 pictures", "two points better", "promoted"),
        ("fell by exactly its margin: 1,000 pictures with 5 captions each", "worse by the margin", "got by, wrongly"),
        ("ten guards, none of which fell: 5,000 pictures, a margin of 1.5 points", "ten equal guards", "promoted"),
        ("ten guards, one of which fell by exactly its margin: 1,000 pictures with 5 captions each", "five captions, one guard of ten worse by the margin", "got by, wrongly"),
        ("ten guards, none of which fell: 1,000 pictures with 5 captions each, a margin of 2.3 points", "five captions, ten equal guards", "promoted"),
    ]  # fmt: skip
    lines = [
        "| drawn models | runs | | here | NeMo Evaluator | the same, told which captions belong together |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for says, name, what in rows:
        theirs = [share(name, of) for of in ("nemo_evaluator", "nemo_evaluator_by_picture")]
        runs = f"{found[name]['runs']:,}" if name in found else ""
        lines.append(f"| {says} | {runs} | {what} | {share(name)} | {theirs[0]} | {theirs[1]} |")
    version = found[BESIDE[0]]["nemo_evaluator"]["version"]
    each = ", ".join(
        f"{its['seconds']} s by {name} ({its['cpu_s']} s of processor)" for name, its in time_taken["of"].items()
    )
    lines += [
        "",
        f"`{said['command']}`, commit `{said['commit']}`, NeMo Evaluator {version} on the same draws. Models are right about 60% of the captions, and "
        "one in seven is right for one of them alone.",
        "",
        f"A comparison over {time_taken['queries']:,} queries, {time_taken['draws']:,} draws, takes {each}. `{time_taken['command']}`, commit "
        f"`{time_taken['commit']}`, {time_taken['machine']}; {time_taken['beside']}.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
