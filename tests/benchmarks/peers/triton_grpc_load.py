"""Ask one model of Triton over gRPC, some rows at a time: triton_grpc_load.py ADDRESS MODEL INPUT OUTPUT COUNT ROWS.npy AT_A_TIME; prints JSON.

A process of its own, so that what asking costs is not counted as answering. With it comes what the first row was answered. Rows are a multiple of those at a time.
"""

import json
import sys
import time

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput


def main(address: str, model: str, given: str, taken: str, count: int, file: str, at_a_time: int) -> None:
    """Ask, and print milliseconds of the middle request, and the first answer."""
    rows = np.load(file)
    types = {"float32": "FP32", "int64": "INT64"}
    took, first = [], None
    with InferenceServerClient(address) as client:
        for turn in range(count):
            at = turn * at_a_time % len(rows)
            some = rows[at : at + at_a_time]
            asked = InferInput(given, some.shape, types[str(some.dtype)])
            asked.set_data_from_numpy(some)
            began = time.perf_counter()
            answer = client.infer(model, [asked], outputs=[InferRequestedOutput(taken)]).as_numpy(taken)
            took.append(1000 * (time.perf_counter() - began))
            first = answer if first is None else first
    assert first is not None
    print(json.dumps({"p50_ms": sorted(took)[len(took) // 2], "first": first[0].tolist()}))


main(*sys.argv[1:5], int(sys.argv[5]), sys.argv[6], int(sys.argv[7]))
