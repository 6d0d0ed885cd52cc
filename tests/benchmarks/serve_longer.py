"""What serve.py measures beside the cost of an answer: an encoder over gRPC, many pictures at once, minutes of load, and whether memory stays.

`python -m tests.benchmarks.serve --measure grpc embed sustained soak`; each is kept under its name in docs/benchmarks/serve.json.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from components.data.pieces import AT_ONCE
from components.data.processes import cores
from components.data.selection import Pool
from components.serving.bulk import Given, embed_all
from components.serving.encoders import PackageEncoders
from components.serving.endpoint import read_endpoint
from components.serving.package import Package
from tests.benchmarks.environments import PEERS, python_of

MEASURES = ("grpc", "embed", "sustained", "soak")
CLIENTS = (1, 4, 16, 64)
ENCODERS = {
    "text": ("text_encoder", "input_ids", "text_embeds"),
    "image": ("image_encoder", "pixel_values", "image_embeds"),
}
ROWS = 16  # different inputs, one after the other
COLD = 50
SOAK_CLIENTS = 16
LOOKS = 10  # at memory, over a soak
ALIKE = 1e-4


def measure(name: str, package: Path, pool: Pool, given: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of one of MEASURES."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        if name == "embed":
            return embed(package, pool, scratch, given.turns)
        from tests.benchmarks.serve import ours

        with ours(package, pool.pictures[0], scratch) as side:
            if name == "grpc":
                return grpc(package, pool, side, scratch, given.requests, given.turns)
            for what in ("text", "image"):
                side.asked(what, 10 * COLD, 4)
            return sustained(side, given.seconds) if name == "sustained" else soak(side, given.soak)


def grpc(package: Path, pool: Pool, side: Any, scratch: Path, count: int, turns: int) -> dict[str, Any]:
    """Return CPU-milliseconds of Triton for one row of an encoder over gRPC, and of onnxruntime alone for the same; of several turns the least."""
    endpoint = read_endpoint(scratch / "workspace")
    assert endpoint is not None
    encoders = PackageEncoders(Package.verify(package), threads=1)
    texts = [its[0] for its in pool.captions[:ROWS]]
    rows = {
        "text": encoders.tokens(texts),
        "image": np.stack([encoders.pixels(pool.pictures[at]) for at in range(ROWS)]),
    }
    found: dict[str, Any] = {}
    for what, (model, taken, answer) in ENCODERS.items():
        np.save(scratch / f"{what}.npy", rows[what])
        session = _session(package / f"{model}.onnx")
        ask = [str(python_of("triton_grpc")), str(PEERS / "triton_grpc_load.py"), endpoint.grpc, model, taken, answer]
        over, alone = [], []
        for turn in range(turns + 1):  # the first is cold
            before = side.cpu_s()
            asked = [*ask, str(count if turn else COLD), str(scratch / f"{what}.npy")]
            said = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)
            over.append(1000 * (side.cpu_s() - before) / (count if turn else COLD))
            before = time.process_time()
            for at in range(count):
                row = session.run([answer], {taken: rows[what][at % ROWS][None]})[0]
            alone.append(1000 * (time.process_time() - before) / count)
        own = session.run([answer], {taken: rows[what][:1]})[0][0]
        assert np.abs(own - np.array(said["first"], np.float32)).max() < ALIKE, "Triton gives other numbers"
        assert row.shape == (1, len(own))
        found[what] = {
            "triton_cpu_ms": round(min(over[1:]), 2), "onnxruntime_cpu_ms": round(min(alone[1:]), 2), "p50_ms": round(said["p50_ms"], 2),
            "ratio": round(min(over[1:]) / min(alone[1:]), 2),
        }  # fmt: skip
    return {**found, "requests": count, "turns": turns}


def embed(package: Path, pool: Pool, scratch: Path, turns: int) -> dict[str, Any]:
    """Return samples a second of `embed_all`, and of a loop that decodes and runs the graphs on as many threads, and writes nothing; they take turns."""
    whole, threads = Package.verify(package), cores()
    samples = [
        Given(key=key, name=key, picture=picture, text=said[0])
        for key, picture, said in zip(pool.keys, pool.pictures, pool.captions, strict=True)
    ]
    batches = [samples[at : at + AT_ONCE] for at in range(0, len(samples), AT_ONCE)]
    encoders = PackageEncoders(whole, threads=1)

    def one(batch: list[Given]) -> None:
        encoders.embed_image([each.picture for each in batch])
        encoders.embed_text([each.text or "" for each in batch])

    def direct(turn: int) -> None:
        with ThreadPoolExecutor(threads) as workers:
            list(workers.map(one, batches))

    def ours(turn: int) -> None:
        embed_all(samples, whole, "bench", scratch / f"{turn}.parquet", threads)

    direct(-1)
    spent = {name: _timed(do, turns) for name, do in (("ours", ours), ("onnxruntime", direct))}
    rate, cpu = ({name: min(its[at] for its in rows) for name, rows in spent.items()} for at in (0, 1))
    return {
        **{name: round(len(samples) / seconds, 1) for name, seconds in rate.items()}, "unit": "samples/s",
        "ratio": round(rate["onnxruntime"] / rate["ours"], 3),
        "cpu_ms": {name: round(1000 * seconds / len(samples), 3) for name, seconds in cpu.items()},
        "samples": len(samples), "threads": threads, "turns": turns,
    }  # fmt: skip


def sustained(side: Any, seconds: float) -> dict[str, Any]:
    """Return what was answered in so many seconds at each number of clients."""
    found = {
        what: {str(clients): side.asked(what, 10**9, clients, seconds) for clients in CLIENTS}
        for what in ("text", "image")
    }
    return {**found, "seconds": seconds}


def soak(side: Any, requests: int) -> dict[str, Any]:
    """Return what all processes hold at the start and after each tenth of so many requests, nine texts to a picture."""
    memory, errors, away = [round(side.memory_mb(), 1)], 0, 0
    began = time.monotonic()
    for _ in range(LOOKS):
        for what, share in (("text", 0.9), ("image", 0.1)):
            said = side.asked(what, int(requests / LOOKS * share), SOAK_CLIENTS)
            errors, away = errors + said["errors"], away + said["away"]
        memory.append(round(side.memory_mb(), 1))
    return {
        "requests": requests, "errors": errors, "away": away, "memory_mb": memory, "grown": round(memory[-1] / memory[0] - 1, 3),
        "seconds": round(time.monotonic() - began),
    }  # fmt: skip


def page(said: dict[str, Any]) -> Iterator[str]:
    """Yield what docs/serving.md prints of those that were measured."""
    if its := said.get("grpc"):
        cells = " and ".join(
            f"{its[what]['triton_cpu_ms']:.2f} CPU-milliseconds for a {'picture' if what == 'image' else what} (onnxruntime {its[what]['onnxruntime_cpu_ms']:.2f})"
            for what in ENCODERS
        )
        yield from ("", f"An encoder of Triton's over gRPC, asked for a row at a time, takes {cells}. {_by(its)}")
    if its := said.get("embed"):
        yield from (
            "",
            f"`diptych embed` does {its['ours']:.0f} pictures with a caption a second, a loop that only decodes and runs the graphs on as many threads "
            f"{its['onnxruntime']:.0f}: {its['ratio']:.0%}; in CPU-milliseconds {its['cpu_ms']['ours']:.2f} and {its['cpu_ms']['onnxruntime']:.2f}. {_by(its)}",
        )
    if its := said.get("sustained"):
        yield from (
            "",
            f"| {its['seconds']:.0f} s of | at once | answered | middle and slowest of a hundred | errors | turned away |",
        )
        yield "| --- | --- | --- | --- | --- | --- |"
        for what in ("text", "image"):
            for clients, one in its[what].items():
                yield (
                    f"| {'pictures' if what == 'image' else 'texts'} | {clients} | {one['per_s']:.0f}/s | {one['p50_ms']:.0f} and {one['p99_ms']:.0f} ms | "
                    f"{one['errors']} | {one['away']} |"
                )
        yield from ("", _by(its))
    if its := said.get("soak"):
        yield from (
            "",
            f"Over {its['requests']:,} requests, nine texts to a picture, {SOAK_CLIENTS} at once, all processes together go from {its['memory_mb'][0]:.0f} to "
            f"{its['memory_mb'][-1]:.0f} MB ({its['grown']:+.1%}), with {its['errors']} errors. {_by(its)}",
        )


def _by(its: dict[str, Any]) -> str:
    return f"`{its['command']}`, commit `{its['commit']}`, {its['machine']}."


def _session(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(path), options, ["CPUExecutionProvider"])


def _timed(do: Callable[[int], None], turns: int) -> list[tuple[float, float]]:
    """Return of each turn the seconds that passed, and those of the processor in this process."""
    found = []
    for turn in range(turns):
        began, spent = time.perf_counter(), time.process_time()
        do(turn)
        found.append((time.perf_counter() - began, time.process_time() - spent))
    return found
