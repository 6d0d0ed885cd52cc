"""What serve.py measures beside the cost of an answer: an encoder over gRPC, many pictures at once, minutes of load, too many clients, and whether memory stays.

`python -m tests.benchmarks.serve --measure grpc embed sustained overload soak perf`; each is kept under its name in docs/benchmarks/serve.json.
"""

import argparse
import csv
import io
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
from components.serving.encoders import Encoders, PackageEncoders
from components.serving.gateway.settings import Settings
from components.serving.graph import read_graph
from components.serving.package import Package
from components.serving.repository import threads_of
from tests.benchmarks.environments import PEERS, ROOT, python_of

DEPEND_ON = {  # measure -> the numbers of the command line that it depends on
    "grpc": ("requests", "turns"),
    "embed": ("turns",),
    "sustained": ("seconds",),
    "overload": ("seconds",),
    "soak": ("soak",),
    "perf": ("seconds",),
}
MEASURES = tuple(DEPEND_ON)
CLIENTS = (1, 4, 16, 64)
ENCODERS = {
    "text": ("text_encoder", "input_ids", "text_embeds"),
    "image": ("image_encoder", "pixel_values", "image_embeds"),
}
ROWS = 32  # different inputs, one after the other, or so many at a time
AT_A_TIME = (1, 8, 32)  # rows of a request over gRPC; 32 is the most that an encoder takes
COLD = 50
NEAREST = "fastapi"  # of the other servers, which is asked for a minute, too
SOAK_CLIENTS = 16
LOOKS = 10  # at memory, over a soak
ALIKE = 1e-4
PERF_ANALYZER = PEERS / "perf_analyzer.txt"
WINDOWS = 3  # of perf_analyzer's, which with -s 999 it takes to be alike
TOO_MANY = 256  # clients, each of which asks again at once when it is turned away


def measure(name: str, package: Path, pool: Pool, given: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of one of MEASURES."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        if name == "embed":
            return embed(package, pool, scratch, given.turns)
        from tests.benchmarks.serve import Side, ours, peer, triton

        if name in OF_BOTH:
            found = {}
            for whose in ("gateway",) if given.larger else ("gateway", "in_process"):
                with ours(package, pool.pictures[0], scratch, whose == "in_process") as side:
                    _warm(side)
                    found[whose] = OF_BOTH[name](side, given)
            if name == "sustained" and not given.larger:
                with peer(NEAREST, package, pool.pictures[0], scratch) as side:
                    _warm(side)
                    found[NEAREST] = OF_BOTH[name](side, given)
            return {**found.pop("gateway"), **found}

        # Of Triton alone: the keeper of a gateway would ask it meanwhile.
        with triton(package, scratch / "workspace") as endpoint:
            if name == "grpc":
                side = Side("", {}, [endpoint.process.pid])
                return grpc(package, pool, side, endpoint.grpc, scratch, given.requests, given.turns)
            return perf(endpoint.grpc, given.seconds)


def _warm(side: Any) -> None:
    for what in ("text", "image"):
        side.asked(what, 10 * COLD, 4)


def grpc(package: Path, pool: Pool, side: Any, address: str, scratch: Path, count: int, turns: int) -> dict[str, Any]:
    """Return CPU-milliseconds of Triton for a request of AT_A_TIME rows to an encoder over gRPC, and of onnxruntime alone for the same on as many threads; of several turns the least.

    Those of one row lie at the top, with onnxruntime on one thread beside them, which takes less of the processor where threads have to meet, and longer; those of more under `rows`.
    """
    whole = Package.verify(package)
    encoders = PackageEncoders(whole, threads=1)
    texts = [its[0] for its in pool.captions[:ROWS]]
    rows = {
        "text": encoders.tokens(texts),
        "image": np.stack([encoders.pixels(pool.pictures[at]) for at in range(ROWS)]),
    }
    found: dict[str, Any] = {}
    for what, (model, taken, answer) in ENCODERS.items():
        np.save(scratch / f"{what}.npy", rows[what])
        threads = threads_of(read_graph(whole, model)) or cores()
        session, lone = (_session(package / f"{model}.onnx", many) for many in (threads, 1))
        ask = [str(python_of("triton_grpc")), str(PEERS / "triton_grpc_load.py"), address, model, taken, answer]
        own = session.run([answer], {taken: rows[what][:1]})[0][0]
        each: dict[int, dict[str, Any]] = {}
        for some in AT_A_TIME:
            over, alone, on_one = [], [], []
            for turn in range(turns + 1):  # the first is cold
                before = side.cpu_s()
                asked = [*ask, str(count if turn else COLD), str(scratch / f"{what}.npy"), str(some)]
                said = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)
                over.append(1000 * (side.cpu_s() - before) / (count if turn else COLD))
                for its, spent in ((session, alone), (lone, on_one)):
                    before = time.process_time()
                    for at in range(count):
                        answered = its.run([answer], {taken: rows[what][at * some % ROWS :][:some]})[0]
                    spent.append(1000 * (time.process_time() - before) / count)
            assert np.abs(own - np.array(said["first"], np.float32)).max() < ALIKE, "Triton gives other numbers"
            assert answered.shape == (some, len(own))
            each[some] = {
                "triton_cpu_ms": round(min(over[1:]), 2), "onnxruntime_cpu_ms": round(min(alone[1:]), 2), "p50_ms": round(said["p50_ms"], 2),
                "ratio": round(min(over[1:]) / min(alone[1:]), 2), "onnxruntime_one_thread_cpu_ms": round(min(on_one[1:]), 2),
            }  # fmt: skip
        found[what] = {**each.pop(1), "rows": {str(some): its for some, its in each.items()}, "threads": threads}
    return {**found, "requests": count, "turns": turns}


def embed(package: Path, pool: Pool, scratch: Path, turns: int) -> dict[str, Any]:
    """Return samples a second of `embed_all`, and of a loop that decodes and runs the graphs on as many threads, a batch at once, and writes nothing; they take turns."""
    whole, threads = Package.verify(package), cores()
    samples = [
        Given(key=key, name=key, picture=picture, text=said[0])
        for key, picture, said in zip(pool.keys, pool.pictures, pool.captions, strict=True)
    ]
    batches = [samples[at : at + AT_ONCE] for at in range(0, len(samples), AT_ONCE)]
    encoders = Encoders(
        image=package / "image_encoder.onnx", text=package / "text_encoder.onnx",
        transforms=package / "transforms.json", tokenizer=package / "tokenizer.json", threads=1,
    )  # fmt: skip

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
    answered = {
        what: {str(clients): side.asked(what, 10**9, clients, seconds) for clients in CLIENTS}
        for what in ("text", "image")
    }
    return {**answered, "seconds": seconds}


def overload(side: Any, seconds: float) -> dict[str, Any]:
    """Return what was answered and turned away in so many seconds when more ask than a gateway takes by default, beside as many as it takes."""
    room = Settings(root=ROOT).in_flight
    found: dict[str, Any] = {}
    for what in ("text", "image"):
        fits, much = (side.asked(what, 10**9, clients, seconds) for clients in (room, TOO_MANY))
        found[what] = {
            **much,
            "patient": side.asked(what, 10**9, TOO_MANY, seconds, patient=True), "p99_ms_with_room": fits["p99_ms"], "slower": round(much["p99_ms"] / fits["p99_ms"], 2),
        }  # fmt: skip
    return {**found, "clients": TOO_MANY, "room": room, "seconds": seconds}


def perf(address: str, seconds: float) -> dict[str, Any]:
    """Return what NVIDIA's perf_analyzer says of the text encoder over gRPC, at each number of clients, in three windows: answers a second, milliseconds."""
    python, found = python_of("perf_analyzer"), {}
    with tempfile.TemporaryDirectory() as folder:
        for clients in CLIENTS:
            report = Path(folder) / f"{clients}.csv"
            command = [
                str(python.parent / "perf_analyzer"), "-m", "text_encoder", "-u", address, "-i", "grpc", "--concurrency-range", str(clients),
                "-p", str(int(1000 * seconds / WINDOWS)), "-s", "999", "--input-data", "zero", "-f", str(report),
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"perf_analyzer ended with {done.returncode}: {(done.stdout + done.stderr)[-600:]}")
            found[str(clients)] = perf_row(report.read_text())
    return {
        "text": found,
        "seconds": seconds,
        "perf_analyzer": PERF_ANALYZER.read_text(encoding="utf-8").partition("==")[2].strip(),
    }


def perf_row(report: str) -> dict[str, float]:
    """Return the figures of a report of perf_analyzer's, which has microseconds."""
    (row,) = csv.DictReader(io.StringIO(report))
    return {
        "per_s": round(float(row["Inferences/Second"]), 1), "p50_ms": round(float(row["p50 latency"]) / 1000, 2),
        "p99_ms": round(float(row["p99 latency"]) / 1000, 2),
    }  # fmt: skip


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


OF_BOTH: dict[str, Callable[[Any, argparse.Namespace], dict[str, Any]]] = {
    "sustained": lambda side, given: sustained(side, given.seconds),
    "overload": lambda side, given: overload(side, given.seconds),
    "soak": lambda side, given: soak(side, given.soak),
}
"""What is measured of a gateway that asks Triton for each vector, and, under `in_process`, of one that runs encoders itself."""


def page(said: dict[str, Any]) -> Iterator[str]:
    """Yield what docs/serving-measured.md prints of those that were measured."""
    if said.keys() & {"grpc", "embed"}:
        yield from ("", "### An encoder over gRPC, and many at once")
    if its := said.get("grpc"):
        cells = " and ".join(
            f"{its[what]['triton_cpu_ms']:.2f} CPU-milliseconds for a {'picture' if what == 'image' else what} (onnxruntime {its[what]['onnxruntime_cpu_ms']:.2f})"
            for what in ENCODERS
        )
        yield from (
            "",
            f"An encoder of Triton's over gRPC, asked for a row at a time, takes {cells}{by_rows(its)}. {_by(its)}",
        )
    if its := said.get("embed"):
        yield from ("", embedded(its))
    if its := said.get("sustained"):
        yield from (
            "",
            "### A minute at each number of clients",
            "",
            f"| {its['seconds']:.0f} s of | at once | answered | middle and slowest of a hundred | errors | turned away |",
        )
        yield "| --- | --- | --- | --- | --- | --- |"
        others = [(its[NEAREST], ", plain FastAPI")] if NEAREST in its else []
        for each, what, how in ((each, what, how) for each, how in (*both(its), *others) for what in ENCODERS):
            for clients, one in each.get(what, {}).items():
                yield (
                    f"| {'pictures' if what == 'image' else 'texts'}{how} | {clients} | {one['per_s']:.0f}/s | {one['p50_ms']:.0f} and {one['p99_ms']:.0f} ms | "
                    f"{one['errors']} | {one['away']} |"
                )
        yield from ("", _by(its))
    if its := said.get("overload"):
        yield from (
            "",
            "### More clients than are let in",
            f"With {its['clients']} clients, where the limits that a gateway has by default let {its['room']} in, {its['seconds']:.0f} s each:",
            "",
            "| | answered | CPU-milliseconds | slowest of a hundred | turned away | errors |",
            "| --- | --- | --- | --- | --- | --- |",
        )
        for each, what, how in ((each, what, how) for each, how in both(its) for what in ENCODERS):
            called = f"{'pictures' if what == 'image' else 'texts'}{how}"
            yield from (
                f"| {called}{those} | {one['per_s']:.0f}/s | {one['cpu_ms']:.2f} | {one['p99_ms']:.0f} ms{beside} | {one['away'] / (one['away'] + one['answered'] + one['errors']):.0%} | {one['errors']} |"
                for one, those, beside in (
                    (each[what], "; clients ask again at once", f" ({each[what]['p99_ms_with_room']:.0f} with {its['room']} clients)"),
                    (each[what]["patient"], "; they wait as long as told", ""),
                )
            )  # fmt: skip
        yield from ("", _by(its))
    if said.keys() & {"perf", "soak"}:
        yield from ("", "### As perf_analyzer sees it, and memory")
    if its := said.get("perf"):
        yield from (
            "",
            f"perf_analyzer {its['perf_analyzer']} of the text encoder over gRPC: "
            + ", ".join(
                f"{one['per_s']:.0f}/s at {clients} ({one['p50_ms']:.1f} and {one['p99_ms']:.1f} ms)"
                for clients, one in its["text"].items()
            )
            + f". {_by(its)}",
        )
    if its := said.get("soak"):
        ways = "; ".join(
            f"from {each['memory_mb'][0]:.0f} to {each['memory_mb'][-1]:.0f} MB{how} ({each['grown']:+.1%}), with {each['errors']} errors"
            for each, how in both(its)
        )
        yield from (
            "",
            f"Over {its['requests']:,} requests, nine texts to a picture, {SOAK_CLIENTS} at once, all processes together go {ways}. {_by(its)}",
        )


def by_rows(its: dict[str, Any]) -> str:
    """Return what is said of requests over gRPC for more than one row."""
    return "".join(
        f"; asked for {rows} at a time, {its['text']['rows'][rows]['ratio']:.2f} times what onnxruntime takes for texts and {its['image']['rows'][rows]['ratio']:.2f} times for pictures"
        for rows in its["text"].get("rows", {})
    )


def embedded(its: dict[str, Any]) -> str:
    """Return what is said of `diptych embed`."""
    return (
        f"`diptych embed` does {its['ours']:.0f} pictures with a caption a second, which lie in memory, a loop that only decodes and runs the graphs on as many threads "
        f"{its['onnxruntime']:.0f}: {its['ratio']:.0%}; in CPU-milliseconds {its['cpu_ms']['ours']:.2f} and {its['cpu_ms']['onnxruntime']:.2f}. {_by(its)}"
    )


def both(its: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """Return what was measured of each way in which a gateway makes vectors, and what the page calls it."""
    return [(its, ", by Triton"), *([(its["in_process"], ", in process")] if "in_process" in its else [])]


def _by(its: dict[str, Any]) -> str:
    return f"`{its['command']}`, commit `{its['commit']}`, {its['machine']}.{room_of(its)}"


def room_of(its: dict[str, Any]) -> str:
    """Return a sentence about how many requests the gateway took at once, where that was another number than it takes by default."""
    usual = Settings(root=ROOT).in_flight
    said = its.get("in_flight", usual)
    return "" if said == usual else f" This gateway took {said} requests at once; by default it takes {usual}."


def _session(path: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # as Triton's do not
    return ort.InferenceSession(str(path), options, ["CPUExecutionProvider"])


def _timed(do: Callable[[int], None], turns: int) -> list[tuple[float, float]]:
    """Return of each turn the seconds that passed, and those of the processor in this process."""
    found = []
    for turn in range(turns):
        began, spent = time.perf_counter(), time.process_time()
        do(turn)
        found.append((time.perf_counter() - began, time.process_time() - spent))
    return found
