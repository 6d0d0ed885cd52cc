"""Ten minutes of requests that nobody should send, to the gateway and to Triton's own port: `python -m tests.drills.fuzz_gateway`.

schemathesis draws requests from the gateway's own description of its API, and breaks them; Triton gets tensors of wrong names, kinds, shapes and sizes, and bytes
that are no request. None may be answered by 5xx, but for what says that it is too much at once, and a picture and a text are answered afterwards as before.
Triton 2.51, as the wheel has it, ends when the JSON of a tensor says billions of numbers (its server reserves them before it looks whether they are there); --huge sends
such too, and the keeper has to start another each time. Prints one JSON object as its last line.
"""

import argparse
import base64
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from math import prod
from pathlib import Path

import httpx
import numpy as np

from components.serving.triton_client import TritonClient
from flows.serving.deploy import deploy
from flows.serving.down import down
from flows.serving.gateway import ensure_gateway
from tests.benchmarks.environments import ROOT, python_of
from tests.components.serving.tiny_package import COLOURS, make_package, picture

MODELS = (
    "image_encoder",
    "text_encoder",
    "embed_image",
    "embed_text",
    "image_preprocess",
    "tokenizer",
    "zero_shot_classifier",
    "image_retrieval",
)
MOST_NUMBERS = 10**7  # of a shape that only --huge goes beyond
KINDS = ("BYTES", "FP32", "INT64", "INT32", "UINT8", "BOOL", "FP16", "NONSENSE")
NAMES = ("image", "text", "pixel_values", "input_ids", "labels", "templates", "top_k", "nothing")


def main() -> None:
    """Drill, print; the exit code is 0 when nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="of both together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--huge", action="store_true", help="send shapes of billions to Triton too")
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / ".venv-serving").symlink_to(ROOT / ".venv-serving")
        try:
            endpoint = deploy(make_package(root / "package"), root, "tiny@1")
            gateway = ensure_gateway(root)
            before = answers(endpoint.http)
            cases, failed = by_description(gateway.url, given.seconds / 2)
            codes = by_tensors(endpoint.http, given.seconds / 2, random.Random(given.seed), given.huge)
            same = all(np.array_equal(ours, its) for ours, its in zip(before, answers(endpoint.http), strict=True))
            ready = httpx.get(f"{gateway.url}readyz", timeout=30).status_code == 200
            lives = endpoint.process.is_alive()
        finally:
            down(root)
    faults = sum(count for code, count in codes.items() if code >= 500)
    passed = not failed and not faults and same and ready and lives
    detail = {
        "gateway": {"cases": cases, "failed": failed},
        "triton": {str(code): count for code, count in sorted(codes.items())},
        "same_answers": same,
        "same_process": lives,
    }
    print(
        json.dumps(
            {
                "drill": "fuzz_gateway",
                "passed": passed,
                "lost": failed + faults,
                "seconds": round(time.monotonic() - began),
                "detail": detail,
            }
        )
    )
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


def by_tensors(address: str, seconds: float, rng: random.Random, huge: bool) -> Counter[int]:
    """Return how often each status came, for requests that are mostly wrong; 599 where there came none."""
    codes: Counter[int] = Counter()
    deadline = time.monotonic() + seconds
    with httpx.Client(base_url=f"http://{address}", timeout=60) as client:
        while time.monotonic() < deadline:
            model, version = rng.choice(MODELS), rng.choice(("", "/versions/1", "/versions/9", "/versions/x"))
            body = rng.randbytes(rng.randint(0, 300)) if rng.random() < 0.2 else json.dumps(drawn(rng, huge)).encode()
            sizes = {"inference-header-content-length": str(rng.choice((0, 7, len(body), 10**9)))}
            try:
                answer = client.post(
                    f"/v2/models/{model}{version}/infer", content=body, headers=sizes if rng.random() < 0.2 else {}
                )
                codes[418 if _unread(answer) else answer.status_code] += 1
            except httpx.HTTPError as err:
                print(f"{err!r} for {model}{version} {body!r}", file=sys.stderr)
                codes[599] += 1
                if codes[599] > 20:
                    break
    return codes


def _unread(answer: httpx.Response) -> bool:
    """Return whether Triton says 500 of JSON that it could not read, as it does; counted as 418 here, since the client is to blame."""
    return answer.status_code == 500 and ("to parse" in answer.text)


def drawn(rng: random.Random, huge: bool) -> object:
    """Return the JSON of a request, right in some ways and wrong in others."""
    inputs = []
    for _ in range(rng.randint(0, 3)):
        shape = [rng.choice((-1, 0, 1, 1, 1, 3, 8, 32, 33, 10**9 if huge else 999)) for _ in range(rng.randint(0, 4))]
        if not huge and prod(shape) > MOST_NUMBERS:  # three of 999 are a billion, too
            shape = shape[:2]
        data = [
            rng.choice(("x", "\0", base64.b64encode(picture(COLOURS["red"])).decode(), 0, -1, 1e300, None, True, []))
            for _ in range(rng.randint(0, 9))
        ]
        inputs.append({"name": rng.choice(NAMES), "datatype": rng.choice(KINDS), "shape": shape, "data": data})
    return {"inputs": inputs, **({"outputs": [{"name": rng.choice(NAMES)}]} if rng.random() < 0.2 else {})}


if __name__ == "__main__":
    main()
