"""Requests that nobody should send, ten minutes to the gateway and then ten to both of Triton's own ports at once: `python -m tests.drills.fuzz_gateway`.

schemathesis draws requests from the gateway's own description of its API, and breaks them; Triton gets tensors of wrong names, kinds, shapes and sizes, and bytes
that are no request, over HTTP and gRPC (fuzzed_tensors.py). None may be answered by what blames the server, but for what says that it is too much at once, and for Triton's own readers of
JSON and gRPC, whose faults are counted by name. A picture and a text are answered afterwards as before, by the same process.
Triton 2.51, as the wheel has it, ends when the JSON of a tensor says billions of numbers (its server reserves them before it looks whether they are there); --huge sends
such too, and the keeper has to start another each time. Prints one JSON object as its last line.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from components.serving.triton_client import TritonClient
from flows.serving.deploy import deploy
from flows.serving.down import down
from flows.serving.gateway import ensure_gateway
from infra.results import processor
from tests.benchmarks.environments import ROOT, python_of
from tests.benchmarks.loader import commit
from tests.components.serving.tiny_package import COLOURS, make_package, picture
from tests.drills.fuzzed_tensors import KNOWN, Came, over_grpc, over_http

KEPT_AT = ROOT / "docs/benchmarks/fuzz.json"


def main() -> None:
    """Drill, print; the exit code is 0 when nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--seconds",
        type=float,
        default=600.0,
        help="of the gateway's requests, and again of both protocols of Triton's, which are sent side by side",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--huge", action="store_true", help="send shapes of billions to Triton too")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(ROOT)}")
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / ".venv-serving").symlink_to(ROOT / ".venv-serving")
        try:
            endpoint = deploy(make_package(root / "package"), root, "tiny@1")
            gateway = ensure_gateway(root)
            before = answers(endpoint.http)
            cases, failed = by_description(gateway.url, given.seconds)
            with ThreadPoolExecutor(2) as both:
                under_way = {
                    "http": both.submit(over_http, endpoint.http, given.seconds, random.Random(given.seed), given.huge),
                    "grpc": both.submit(
                        over_grpc, endpoint.grpc, given.seconds, random.Random(given.seed + 1), given.huge
                    ),
                }
                came = {name: one.result() for name, one in under_way.items()}
            same = all(np.array_equal(ours, its) for ours, its in zip(before, answers(endpoint.http), strict=True))
            ready = httpx.get(f"{gateway.url}readyz", timeout=30).status_code == 200
            lives = endpoint.process.is_alive()
        finally:
            down(root)
    said = judged(cases, failed, came, {"same_answers": same, "ready": ready, "same_process": lives})
    said["seconds"] = round(time.monotonic() - began)
    if given.keep:
        about = {
            "date": time.strftime("%Y-%m-%d"), "commit": commit(), "machine": f"{os.cpu_count()} cores, {processor()}, no GPU",
            "command": f"python -m tests.drills.fuzz_gateway --seconds {given.seconds:g} --seed {given.seed}{' --huge' if given.huge else ''} --keep",
        }  # fmt: skip
        KEPT_AT.write_text(json.dumps({**said, **about}, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))
    sys.exit(not said["passed"])


def judged(cases: int, failed: int, came: Mapping[str, Came], after: Mapping[str, bool]) -> dict[str, Any]:
    """Return what the drill says: it passes where all were asked, none was blamed, and the server is as before.

    Args:
        cases, failed: as of `by_description`; none drawn shows nothing.
        came: protocol -> what came back.
        after: what was looked at in the end -> whether it was well.
    """
    faults = sum(one.unknown() for one in came.values())
    asked = cases > 0 and all(one.codes.total() > 0 for one in came.values())
    return {
        "drill": "fuzz_gateway", "passed": asked and not failed and not faults and all(after.values()), "lost": failed + faults,
        "detail": {"gateway": {"cases": cases, "failed": failed}, **{f"triton_{name}": one.told() for name, one in came.items()}, **after},
    }  # fmt: skip


def page(said: Mapping[str, Any] | None) -> str:
    """Return what docs/serving-measured.md prints of what was kept; None where nothing was."""
    if said is None:
        return "What comes of ten minutes of requests that nobody should send is *not measured*."
    its = said["detail"]
    ports = " and ".join(
        f"{its[f'triton_{name}']['asked']:,} over {called} ({_known(its[f'triton_{name}']['faults']):,} answered with a fault of its own readers)"
        for name, called in (("http", "HTTP"), ("grpc", "gRPC"))
    )
    after = (
        "the same process answered as before"
        if all(its[one] for one in ("same_answers", "same_process"))
        else "it was **not** as before"
    )
    return (
        f"schemathesis drew {its['gateway']['cases']:,} requests to the gateway from its description, and {its['gateway']['failed']} of its runs found a fault; Triton's own ports got {ports}. "
        f"In the end {after}; the drill {'passed' if said['passed'] else '**failed**'}. `{said['command']}`, commit `{said['commit']}`, {said['machine']}."
    )


def _known(faults: Mapping[str, int]) -> int:
    return sum(count for name, count in faults.items() if any(re.match(one, name) for one in KNOWN))


def answers(address: str) -> list[np.ndarray]:
    """Return what the server says of a text and of pictures."""
    with TritonClient(address) as client:
        return [
            client.embed_text(["a red square"]),
            client.embed_image([picture(colour) for colour in COLOURS.values()]),
        ]


def by_description(url: str, seconds: float) -> tuple[int, int]:
    """Return how many cases schemathesis drew, and how many failed; it draws again until the time is over."""
    deadline, seed, cases, failed = time.monotonic() + seconds, 0, 0, 0
    command = [str(python_of("schemathesis").parent / "schemathesis"), "run", f"{url}openapi.json", "--checks", "not_a_server_error,status_code_conformance,response_schema_conformance"]  # fmt: skip
    while time.monotonic() < deadline:
        seed += 1
        done = subprocess.run([*command, "-n", "200", "--seed", str(seed)], capture_output=True, text=True, check=False)
        counts = [line for line in done.stdout.splitlines() if "generated" in line]
        cases += int(counts[-1].split()[0].replace(",", "")) if counts else 0
        if done.returncode:
            failed += 1
            print(done.stdout[-3000:], file=sys.stderr)
    return cases, failed


if __name__ == "__main__":
    main()
