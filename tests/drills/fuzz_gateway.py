"""Ten minutes of requests that nobody should send, to the gateway and to Triton's own two ports: `python -m tests.drills.fuzz_gateway`.

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
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
from tests.drills.fuzzed_tensors import over_grpc, over_http

KEPT_AT = ROOT / "docs/benchmarks/fuzz.json"


def main() -> None:
    """Drill, print; the exit code is 0 when nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="of all three together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--huge", action="store_true", help="send shapes of billions to Triton too")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(ROOT)}")
    given = parser.parse_args()
    began, part = time.monotonic(), given.seconds / 3
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / ".venv-serving").symlink_to(ROOT / ".venv-serving")
        try:
            endpoint = deploy(make_package(root / "package"), root, "tiny@1")
            gateway = ensure_gateway(root)
            before = answers(endpoint.http)
            cases, failed = by_description(gateway.url, part)
            came = {
                "http": over_http(endpoint.http, part, random.Random(given.seed), given.huge),
                "grpc": over_grpc(endpoint.grpc, part, random.Random(given.seed + 1), given.huge),
            }
            same = all(np.array_equal(ours, its) for ours, its in zip(before, answers(endpoint.http), strict=True))
            ready = httpx.get(f"{gateway.url}readyz", timeout=30).status_code == 200
            lives = endpoint.process.is_alive()
        finally:
            down(root)
    faults = sum(one.unknown() for one in came.values())
    passed = not failed and not faults and same and ready and lives
    said = {
        "drill": "fuzz_gateway", "passed": passed, "lost": failed + faults, "seconds": round(time.monotonic() - began),
        "detail": {
            "gateway": {"cases": cases, "failed": failed}, **{f"triton_{name}": one.told() for name, one in came.items()}, "same_answers": same, "same_process": lives,
        },
    }  # fmt: skip
    if given.keep:
        about = {
            "date": time.strftime("%Y-%m-%d"), "commit": commit(), "machine": f"{os.cpu_count()} cores, {processor()}, no GPU",
            "command": f"python -m tests.drills.fuzz_gateway --seconds {given.seconds:g} --seed {given.seed}{' --huge' if given.huge else ''} --keep",
        }  # fmt: skip
        KEPT_AT.write_text(json.dumps({**said, **about}, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))
    sys.exit(not passed)


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
