"""Tensors that nobody should send, to Triton's own two ports, and what came back: counts by status, and each fault by its sentence.

A fault is an answer that blames the server: 5xx over HTTP; over gRPC INTERNAL, UNKNOWN, UNAVAILABLE, a stream that is reset or a connection that ends. KNOWN are those of
Triton's own readers, which say so of what is no request at all; they are named like any other, and are the only ones that a drill passes with.
"""

import base64
import json
import random
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from math import prod
from typing import Any

import httpx
from h2.exceptions import ProtocolError

from tests.components.serving.tiny_package import COLOURS, picture
from tests.plain_grpc import Answer, Calls, messages, tensor, text_bytes

MODELS = (
    "image_encoder", "text_encoder", "embed_image", "embed_text", "image_preprocess", "tokenizer", "zero_shot_classifier", "image_retrieval",
)  # fmt: skip
MOST_NUMBERS = 10**7  # of a shape that only `huge` goes beyond
KINDS = ("BYTES", "FP32", "INT64", "INT32", "UINT8", "BOOL", "FP16", "NONSENSE")
NAMES = ("image", "text", "pixel_values", "input_ids", "labels", "templates", "top_k", "filter", "nothing")
KNOWN = (r"500: .*to parse", r"INTERNAL: Unable to parse request")
BLAMING = ("INTERNAL", "UNKNOWN", "UNAVAILABLE", "DATA_LOSS", "RESET", "GONE")
MOST_GONE = 20  # requests without an answer, after which there is nobody to ask


@dataclass(slots=True)
class Came:
    """What came back.

    Args:
        codes: status -> how often.
        faults: status and sentence -> how often; numbers in it are written as #, so that like ones are counted together.
    """

    codes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)

    def take(self, code: str, blames: bool, said: str) -> None:
        """Count an answer."""
        self.codes[code] += 1
        if blames:
            self.faults[f"{code}: {re.sub(r'[0-9]+', '#', said)[:200]}"] += 1

    def unknown(self) -> int:
        """Return how many faults are none of KNOWN."""
        return sum(count for name, count in self.faults.items() if not any(re.match(one, name) for one in KNOWN))

    def told(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "asked": self.codes.total(),
            "codes": dict(sorted(self.codes.items())),
            "faults": dict(self.faults.most_common()),
        }


def over_http(address: str, seconds: float, rng: random.Random, huge: bool) -> Came:
    """Return what came of requests that are mostly wrong."""
    came = Came()
    deadline = time.monotonic() + seconds
    with httpx.Client(base_url=f"http://{address}", timeout=60) as client:
        while time.monotonic() < deadline and came.codes["none"] <= MOST_GONE:
            model, version = rng.choice(MODELS), rng.choice(("", "/versions/1", "/versions/9", "/versions/x"))
            body = rng.randbytes(rng.randint(0, 300)) if rng.random() < 0.2 else json.dumps(drawn(rng, huge)).encode()
            sizes = {"inference-header-content-length": str(rng.choice((0, 7, len(body), 10**9)))}
            try:
                answer = client.post(
                    f"/v2/models/{model}{version}/infer", content=body, headers=sizes if rng.random() < 0.2 else {}
                )
                came.take(str(answer.status_code), answer.status_code >= 500, answer.text)
            except httpx.HTTPError as err:
                print(f"{err!r} for {model}{version} {body!r}", file=sys.stderr)
                came.take("none", True, type(err).__name__)
    return came


def drawn(rng: random.Random, huge: bool) -> object:
    """Return the JSON of a request, right in some ways and wrong in others."""
    inputs = []
    for _ in range(rng.randint(0, 3)):
        shape = shape_of(rng, huge)
        data = [
            rng.choice(("x", "\0", base64.b64encode(picture(COLOURS["red"])).decode(), 0, -1, 1e300, None, True, []))
            for _ in range(rng.randint(0, 9))
        ]
        inputs.append({"name": rng.choice(NAMES), "datatype": rng.choice(KINDS), "shape": shape, "data": data})
    return {"inputs": inputs, **({"outputs": [{"name": rng.choice(NAMES)}]} if rng.random() < 0.2 else {})}


def shape_of(rng: random.Random, huge: bool) -> list[int]:
    """Return a shape, of a billion numbers and more now and then where it may be huge."""
    shape = [rng.choice((-1, 0, 1, 1, 1, 3, 8, 32, 33, 10**9 if huge else 999)) for _ in range(rng.randint(0, 4))]
    return shape[:2] if not huge and prod(shape) > MOST_NUMBERS else shape  # three of 999 are a billion, too


def over_grpc(address: str, seconds: float, rng: random.Random, huge: bool) -> Came:
    """Return what came of calls that are mostly wrong: tensors of any kind, shape and bytes, and bytes that are no message."""
    came = Came()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and came.codes["GONE"] <= MOST_GONE:
        try:
            with Calls(address) as calls:
                for _ in range(50):
                    if time.monotonic() > deadline:
                        break
                    answer = calls.call("ModelInfer", called(rng, huge))
                    _count(came, answer)
            with Calls(address) as calls:  # one of its own, since Triton answers what is no message several times
                whole = called(rng, huge).SerializeToString()
                cut = rng.choice(
                    (rng.randbytes(rng.randint(1, 300)), whole[: rng.randint(0, len(whole))], whole + b"\xff")
                )
                _count(came, calls.call("ModelInfer", cut))
        except (OSError, ProtocolError) as err:
            print(f"{err!r} over gRPC", file=sys.stderr)
            came.take("GONE", True, type(err).__name__)
    return came


def _count(came: Came, answer: Answer) -> None:
    came.take(answer.code, answer.code in BLAMING, answer.message)


def called(rng: random.Random, huge: bool) -> Any:
    """Return a request of gRPC, right in some ways and wrong in others; its bytes are what the tensors say now and then."""
    if rng.random() < 0.1:  # a right one, so that what is wrong comes between
        right = messages.ModelInferRequest(model_name="embed_text", raw_input_contents=[text_bytes("a red square")])
        right.inputs.append(tensor("text", "BYTES", (1, 1), b"")[0])
        return right
    request = messages.ModelInferRequest(
        model_name=rng.choice(MODELS), model_version=rng.choice(("", "1", "9", "x", "-1"))
    )
    for _ in range(rng.randint(0, 3)):
        raw = rng.choice((
            b"", rng.randbytes(rng.randint(0, 300)), text_bytes("red"), text_bytes(picture(COLOURS["red"])), b"\xff\xff\xff\xff", bytes(64), bytes(4 * 3 * 32 * 32),
            text_bytes(rng.randbytes(9)), text_bytes('{"source": ["tiny"]}'), (1).to_bytes(4, "little"),
        ))  # fmt: skip
        described, _ = tensor(rng.choice(NAMES), rng.choice(KINDS), tuple(shape_of(rng, huge)), raw)
        if rng.random() < 0.2:
            described.contents.int64_contents.extend(rng.randint(-(2**63), 2**63 - 1) for _ in range(rng.randint(0, 9)))
        if rng.random() < 0.2:
            described.contents.bytes_contents.append(raw)
        request.inputs.append(described)
        if rng.random() < 0.8:
            request.raw_input_contents.append(raw)
    if rng.random() < 0.2:
        request.outputs.add(name=rng.choice(NAMES))
    return request
