"""What an answer costs: the gateway and Triton, and a gateway that runs encoders itself, beside a plain FastAPI server, MLflow's pyfunc server and infinity-emb (serve_peers.py), on one package.

`python -m tests.benchmarks.serve --workspace . --keep` in a workspace with a finished run; `--measure grpc embed sustained overload soak perf` measures what serve_longer.py does,
and keeps it beside; `--larger` measures the towers of `diptych run --recipe clip --scale small` (larger_package.py), which are kept apart; what is not measured now stays as it was kept. Each side answers the same requests, a text or a picture in JSON, from 1, 4, 16
and 64 clients at once; CPU is that of the whole tree of its processes, and the clients are a process of their own. Beside them stand onnxruntime
alone, without any server, and Triton alone, with what it does more. Prints one JSON object as its last line; --keep writes it to docs/benchmarks/serve.json.
"""

import argparse
import base64
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from components.data.manifest import read_manifest
from components.data.selection import read_pool
from components.serving.encoders import PackageEncoders
from components.serving.endpoint import Endpoint, read_endpoint
from components.serving.gateway.settings import Settings
from components.serving.package import Package
from components.serving.record import Gateway, gateway_log, read_gateway
from components.serving.triton_client import TritonClient
from flows.serving.deploy import deploy
from flows.serving.down import down
from flows.serving.gateway import ensure_gateway
from infra.results import processor
from tests.benchmarks import serve_claims, serve_longer, serve_peers
from tests.benchmarks.environments import PEERS, ROOT
from tests.benchmarks.loader import commit
from tests.benchmarks.serve_peers import body

KEPT_AT = ROOT / "docs/benchmarks/serve.json"
AT_ONCE = (1, 4, 16, 64)
TEXT = "a red heart"
SIDES = (*serve_claims.OURS, *serve_peers.STARTS)
OPENED_S = 60.0  # in which a worker has opened the encoders
COLD = 50  # requests before the first that counts
RECIPE = "clip"


class Side:
    """A server that is asked.

    Args:
        url: where.
        bodies: `text` and `image` -> the body of a request.
        processes: numbers of its processes' roots.
    """

    def __init__(self, url: str, bodies: Mapping[str, bytes], processes: list[int]) -> None:
        self.url, self.bodies, self._roots = url, bodies, processes

    def processes(self) -> list[psutil.Process]:
        """Return all of its processes."""
        found = [psutil.Process(pid) for pid in self._roots]
        return found + [child for one in found for child in one.children(recursive=True)]

    def cpu_s(self) -> float:
        """Return the CPU-seconds of its processes so far."""
        return sum(one.cpu_times().user + one.cpu_times().system for one in self.processes())

    def memory_mb(self) -> float:
        """Return what its processes hold that they share with nobody, in 2**20 bytes."""
        return sum(one.memory_full_info().uss for one in self.processes()) / 2**20

    def asked(
        self, what: str, count: int, at_once: int, lasts_s: float | None = None, patient: bool = False
    ) -> dict[str, float]:
        """Return what so many requests came to, or those of some seconds; who is patient waits as long as told when turned away."""
        before = self.cpu_s()
        command = [sys.executable, str(PEERS / "load.py"), self.url, str(count), str(at_once)]
        command += [] if lasts_s is None else [str(lasts_s), *(["patient"] if patient else [])]
        done = subprocess.run(command, input=self.bodies[what], capture_output=True, check=True)
        said = json.loads(done.stdout)
        answered = said["answered"]
        return {
            "answered": answered, "cpu_ms": round(1000 * (self.cpu_s() - before) / max(answered, 1), 2), "per_s": round(answered / said["seconds"], 1),
            "p50_ms": round(said["p50_ms"], 1), "p99_ms": round(said["p99_ms"], 1), "errors": said["errors"], "away": said["away"],
        }  # fmt: skip


@contextmanager
def triton(package: Path, root: Path) -> Iterator[Endpoint]:
    """Serve a package by Triton alone, in a workspace that is made at `root`; it ends with the block, and whatever else was started there."""
    root.mkdir()
    (root / ".venv-serving").symlink_to(ROOT / ".venv-serving")
    try:
        yield deploy(package, root, "bench@1")
    finally:
        down(root)


@contextmanager
def ours(package: Path, picture: bytes, scratch: Path, in_process: bool = False) -> Iterator[Side]:
    """Serve a package behind a gateway as it is by default but for where encoders run, in a workspace of its own below `scratch`; it ends with the block."""
    root = scratch / ("in_process" if in_process else "workspace")
    with triton(package, root) as endpoint:
        gateway = ensure_gateway(root, Settings(root=root, in_process=in_process))
        coded = base64.b64encode(picture).decode()
        bodies = {"text": body(input=TEXT), "image": body(input="data:image/png;base64," + coded)}
        side = Side(f"{gateway.url}v1/embeddings", bodies, [gateway.process.pid, endpoint.process.pid])
        if in_process:
            _wait_until_in_process(side, gateway)
        yield side
        if in_process and (said := gateway_log(root).read_text()).count("made by its server"):
            raise SystemExit(f"Triton has answered in place of the gateway meanwhile: {said}")


def _wait_until_in_process(side: Side, gateway: Gateway) -> None:
    """Ask until a worker has answered by itself; SystemExit where none does, or Triton would be measured in its place."""
    deadline = time.monotonic() + OPENED_S
    while time.monotonic() < deadline:
        side.asked("text", 1, 1)
        if _is_in_process(gateway):
            return
    raise SystemExit(f"The gateway asks Triton for each vector after {OPENED_S:g} s, too; its log says why.")


def _is_in_process(gateway: Gateway) -> bool:
    with urllib.request.urlopen(f"{gateway.url}metrics") as said:
        return "\ndiptych_in_process 1.0" in said.read().decode()


@contextmanager
def sides(package: Path, picture: bytes, scratch: Path) -> Iterator[dict[str, Side]]:
    """Start every server, and end them with the block."""
    with ExitStack() as stack:
        found = {
            name: stack.enter_context(ours(package, picture, scratch, name == "in_process"))
            for name in serve_claims.OURS
        }
        for name in serve_peers.STARTS:
            found[name] = stack.enter_context(peer(name, package, picture, scratch))
        yield found


@contextmanager
def peer(name: str, package: Path, picture: bytes, scratch: Path) -> Iterator[Side]:
    """Serve a package by another server; it ends with the block."""
    with serve_peers.STARTS[name](package, TEXT, picture, scratch) as started:
        yield Side(started.url, started.bodies, [started.pid])


def alone(package: Path, picture: bytes, count: int) -> dict[str, dict[str, float]]:
    """Return CPU-milliseconds of one text and one picture by onnxruntime in this process, with decoding and tokenizing."""
    encoders = PackageEncoders(Package.verify(package), threads=1)
    found = {}
    for what, ask in (
        ("text", lambda: encoders.embed_text([TEXT])),
        ("image", lambda: encoders.embed_image([picture])),
    ):
        for _ in range(COLD):
            ask()
        before = time.process_time()
        for _ in range(count):
            ask()
        found[what] = {"cpu_ms": round(1000 * (time.process_time() - before) / count, 2)}
    return found


def triton_alone(root: Path, picture: bytes, count: int) -> dict[str, dict[str, float]]:
    """Return CPU-milliseconds of Triton and its Python processes for one text and one picture, asked in binary."""
    endpoint = read_endpoint(root)
    assert endpoint is not None
    side = Side("", {}, [endpoint.process.pid])
    found = {}
    with TritonClient(endpoint.http) as client:
        for what, ask in (
            ("text", lambda: client.embed_text([TEXT])),
            ("image", lambda: client.embed_image([picture])),
        ):
            for _ in range(COLD):
                ask()
            before = side.cpu_s()
            for _ in range(count):
                ask()
            found[what] = {"cpu_ms": round(1000 * (side.cpu_s() - before) / count, 2)}
    return found


def measured(package: Path, picture: bytes, count: int, turns: int) -> dict[str, Any]:
    """Return the figures: of each side, what is asked and how many at once the turn of least CPU; the sides take turns."""
    with tempfile.TemporaryDirectory() as folder, sides(package, picture, Path(folder)) as found:
        root = Path(folder) / "workspace"
        best: dict[str, dict[str, dict[str, Any]]] = {name: {"text": {}, "image": {}} for name in found}
        for side in found.values():
            for what in ("text", "image"):
                side.asked(what, COLD, 4)
        for _ in range(turns):
            for what in ("text", "image"):
                for at_once in AT_ONCE:
                    for name, side in found.items():
                        its = side.asked(what, count, at_once)
                        kept = best[name][what].get(str(at_once))
                        if kept is None or its["cpu_ms"] < kept["cpu_ms"]:
                            best[name][what][str(at_once)] = its
        gateway = read_gateway(root)
        assert gateway is not None
        own = Side(found["gateway"].url, found["gateway"].bodies, [gateway.process.pid])
        adds = {what: own.asked(what, count, 1)["cpu_ms"] for what in ("text", "image")}
        return {"sides": best, "gateway_adds_cpu_ms": adds, "triton": triton_alone(root, picture, count)}


def page(
    said: dict[str, Any], vectors: dict[str, Any] | None = None, variants: dict[str, Any] | None = None
) -> dict[str, str]:
    """Return what docs/serving-measured.md prints of what was kept, here, by vector_search.py and by variants.py, by the name of its place."""
    parts = {
        "promises": serve_claims.claims(said, vectors, variants),
        "answers": _of_small(said),
        "longer": serve_longer.page(said),
        "larger": _of_larger(said["larger"]) if "larger" in said else (),
    }
    return {name: "\n".join(lines).strip("\n") for name, lines in parts.items()}


def _of_small(said: dict[str, Any]) -> list[str]:
    """Return what was asked of every side, and by what it can be asked again."""
    lines = _answers(said)
    alone, triton = said["onnxruntime"], said["triton"]
    own = " and ".join(
        f"{its:.1f} for {serve_claims.CALLED[what]}" for what, its in said["gateway_adds_cpu_ms"].items()
    )
    lines += [
        "",
        "CPU-milliseconds of an answer, answers a second, and the time of the middle and of the slowest of a hundred. "
        f"onnxruntime alone takes {alone['text']['cpu_ms']:.1f} for a text and {alone['image']['cpu_ms']:.1f} for a picture, Triton alone "
        f"{triton['text']['cpu_ms']:.1f} and {triton['image']['cpu_ms']:.1f}; of what the gateway adds, {own} are its own. "
        f"{sum(its['errors'] for side in said['sides'].values() for what in side.values() for its in what.values())} errors in "
        f"{said['requests'] * len(said['sides']) * 2 * len(AT_ONCE):,} requests.",
        "",
        f"`{said['command']}`, commit `{said['commit']}`, {said['machine']}; MLflow {said['versions']['mlflow']}, FastAPI {said['versions']['fastapi']}"
        + (f", infinity-emb {said['versions']['infinity-emb']}" if "infinity-emb" in said["versions"] else "")
        + f".{serve_longer.room_of(said)}",
    ]
    return lines


def _answers(said: dict[str, Any]) -> list[str]:
    """Return the table of what was asked of every side."""
    beside = {name: called for name, called in serve_peers.CALLED.items() if name in said["sides"]}
    called = {name: its for name, its in serve_claims.OURS.items() if name in said["sides"]} | beside
    lines = ["| asked | at once | " + " | ".join(called.values()) + " |", "| --- | --- |" + " --- |" * len(called)]
    for what in ("text", "image"):
        for at_once in map(str, AT_ONCE):
            cells = []
            for name in called:
                its = said["sides"][name][what][at_once]
                cells.append(
                    f"{its['cpu_ms']:.1f} ms, {its['per_s']:.0f}/s, {its['p50_ms']:.0f} and {its['p99_ms']:.0f} ms"
                )
            lines.append(f"| a {'picture' if what == 'image' else what} | {at_once} | {' | '.join(cells)} |")
    return lines


def _of_larger(said: dict[str, Any]) -> Iterator[str]:
    """Yield the same of a model whose encoders do more than the servers about them."""
    alone, over = said["onnxruntime"], said["grpc"]
    yield from (f"Its two encoders are {said['encoders_mb']:.0f} MB.", "", *_answers(said))
    yield from (
        "",
        f"onnxruntime alone takes {alone['text']['cpu_ms']:.1f} CPU-milliseconds for a text and {alone['image']['cpu_ms']:.1f} for a picture; an encoder of Triton's over gRPC "
        + " and ".join(
            f"{its['triton_cpu_ms']:.1f} for {what} (onnxruntime on {its['threads']} threads, as Triton's, {its['onnxruntime_cpu_ms']:.1f}, on one {its['onnxruntime_one_thread_cpu_ms']:.1f})"
            for what, its in (("a text", over["text"]), ("a picture", over["image"]))
        )
        + f"{serve_longer.by_rows(over)}. `{said['command']}`, commit `{said['commit']}`, and `{over['command']}`, commit `{over['commit']}`, {said['machine']}.",
    )
    if its := said.get("embed"):
        yield from ("", serve_longer.embedded(its))


def command_of(measure: str, given: argparse.Namespace) -> str:
    """Return what measures the same again, with the numbers that it depends on."""
    its = {"cost": ("requests", "turns"), **serve_longer.DEPEND_ON}[measure]
    chosen = "" if measure == "cost" else f" --measure {measure}"
    numbers = "".join(
        f" --{name} {value if isinstance(value, int) else f'{value:g}'}"
        for name in its
        for value in [getattr(given, name)]
    )
    workspace = "" if given.workspace.resolve() == ROOT else f" --workspace {shlex.quote(str(given.workspace))}"
    recipe = "" if given.recipe == RECIPE else f" --recipe {shlex.quote(given.recipe)}"
    larger = " --larger" if given.larger else ""
    return f"python -m tests.benchmarks.serve{chosen}{numbers}{workspace}{recipe}{larger} --keep"


def gathered(
    measures: Mapping[str, Callable[[], dict[str, Any]]], path: Path | None, larger: bool = False
) -> dict[str, Any]:
    """Return the figures: those that `path` has, with what is measured now in their place.

    They are written to `path` after each measure, so that one that fails takes none of the others with it.

    Args:
        measures: name -> what measures it; figures of `cost` lie at the top, those of any other under its name.
        path: of the kept file, whether it is there yet or not; None to keep nothing.
        larger: whether they are of a larger model; those lie under `larger`.
    """
    said: dict[str, Any] = {"bench": "serve"}
    if path is not None and path.exists():
        said = json.loads(path.read_text(encoding="utf-8"))
    for name, measure in measures.items():
        its = measure()
        place = said.setdefault("larger", {}) if larger else said
        place |= its if name == "cost" else {name: its}
        if path is not None:
            whole = path.with_name(f"{path.name}.{os.getpid()}")
            whole.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
            whole.replace(path)
    return said


def _pinned(name: str) -> str:
    """Return the version of a peer's library that its requirements pin."""
    text = (PEERS / f"{name.partition('-')[0]}.txt").read_text(encoding="utf-8")
    return next(line.rpartition("==")[2] for line in text.splitlines() if line.startswith(name))


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=ROOT, help="with a finished run of --recipe")
    parser.add_argument("--recipe", default=RECIPE)
    parser.add_argument(
        "--requests", type=int, default=600, help="of each kind, of each side, at each number of clients"
    )
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--measure", nargs="+", choices=("cost", *serve_longer.MEASURES), default=["cost"])
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="of sustained and overload, at each number of clients"
    )
    parser.add_argument("--soak", type=int, default=100_000, help="requests of the soak")
    parser.add_argument(
        "--larger",
        action="store_true",
        help="a larger model made from the workspace's, of which cost, grpc and embed are shown",
    )
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(ROOT)}")
    given = parser.parse_args()
    if given.larger and given.recipe != RECIPE:
        parser.error(f"--larger makes towers of the recipe {RECIPE}. Leave --recipe out.")
    with tempfile.TemporaryDirectory() as folder:
        package = given.workspace.resolve() / "runs" / given.recipe / "package"
        if given.larger:
            whole, package = package, Path(folder) / "package"
            # By a process of its own: what it leaves in memory is measured nowhere.
            made = [sys.executable, "-m", "tests.benchmarks.larger_package", str(whole), str(package)]
            subprocess.run(made, cwd=ROOT, check=True)
        said = _said(package, given)
    print(json.dumps(said))


def _said(package: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Return what the command line asks for, with what was kept."""
    workspace = given.workspace.resolve()
    pool = read_pool(read_manifest(workspace / "data/evaluation/pair/manifest.parquet"), workspace / "data/raw")
    whole = read_pool(read_manifest(workspace / "data/validated/manifest.parquet"), workspace / "data/raw")
    about = {
        "date": time.strftime("%Y-%m-%d"), "commit": commit(), "machine": f"{os.cpu_count()} cores, {processor()}, no GPU",
        "in_flight": Settings(root=ROOT).in_flight, "encoders_mb": round(sum((package / f"{name}.onnx").stat().st_size for name, _, _ in serve_longer.ENCODERS.values()) / 1e6, 1),
    }  # fmt: skip

    def cost() -> dict[str, Any]:
        picture = pool.pictures[0]
        return {
            **measured(package, picture, given.requests, given.turns), "onnxruntime": alone(package, picture, given.requests),
            "requests": given.requests, "turns": given.turns, "versions": {**{name: version(name) for name in ("mlflow", "fastapi", "onnxruntime")}, "infinity-emb": _pinned("infinity-emb")},
        }  # fmt: skip

    def measure(name: str) -> dict[str, Any]:
        shown = whole if name == "embed" and not given.larger else pool  # a larger model takes long over each
        its = cost() if name == "cost" else serve_longer.measure(name, package, shown, given)
        return {**its, **about, "command": command_of(name, given)}

    return gathered(
        {name: partial(measure, name) for name in given.measure}, KEPT_AT if given.keep else None, given.larger
    )


if __name__ == "__main__":
    main()
