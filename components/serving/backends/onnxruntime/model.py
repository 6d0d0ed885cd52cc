"""A Triton backend named "onnxruntime", in Python, for servers that bring only the Python backend.

It takes the same repositories as Triton's own C++ backend of that name (`platform: "onnxruntime_onnx"` and
`1/model.onnx`), so one repository runs on both. Differs: inputs and outputs must be declared in config.pbtxt.
Requests that Triton batches together are run together, and every client sees only its own rows. Where config.pbtxt says `rows_a_thread`, no more
rows than these times the threads are run at once on processors: of many more, each takes longer.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb  # type: ignore[import-not-found]
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

TRITON_TYPES = {
    "tensor(bool)": "TYPE_BOOL",
    "tensor(double)": "TYPE_FP64",
    "tensor(float)": "TYPE_FP32",
    "tensor(float16)": "TYPE_FP16",
    "tensor(int32)": "TYPE_INT32",
    "tensor(int64)": "TYPE_INT64",
    "tensor(int8)": "TYPE_INT8",
    "tensor(string)": "TYPE_STRING",
    "tensor(uint8)": "TYPE_UINT8",
}


class TritonPythonModel:
    """One instance of one ONNX model."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the session; raises what Triton logs as the reason when graph and config.pbtxt disagree."""
        config = json.loads(args["model_config"])
        file = config.get("default_model_filename") or "model.onnx"
        path = Path(args["model_repository"], args["model_version"], file)
        self.session = open_session(str(path), config, args["model_instance_kind"], args["model_instance_device_id"])
        self.batched = config.get("max_batch_size", 0) > 0
        on_gpu = self.session.get_providers()[0] != "CPUExecutionProvider"
        a_thread = number_of(config, "rows_a_thread", 0) if self.batched and not on_gpu else 0
        self.at_once = a_thread * self.session.get_session_options().intra_op_num_threads
        self.inputs = [tensor["name"] for tensor in config["input"]]
        self.outputs = [tensor["name"] for tensor in config["output"]]
        check_tensors(config["input"], self.session.get_inputs())
        check_tensors(config["output"], self.session.get_outputs())

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request; those whose rows have equal shapes share one run."""
        feeds = [{name: pb.get_input_tensor_by_name(r, name).as_numpy() for name in self.inputs} for r in requests]
        groups: dict[Any, list[int]] = {}
        for position, feed in enumerate(feeds):
            key = tuple(array.shape[1:] for array in feed.values()) if self.batched else position
            groups.setdefault(key, []).append(position)
        answers: dict[int, Any] = {}
        for members in groups.values():
            answers.update(self.run([feeds[i] for i in members], [requests[i] for i in members], members))
        return [answers[position] for position in range(len(requests))]

    def run(self, feeds: list[dict[str, np.ndarray]], requests: list[Any], positions: list[int]) -> dict[int, Any]:
        """Run the rows of several requests at once; returns a response for each position."""
        together = feeds[0] if len(feeds) == 1 else {n: np.concatenate([f[n] for f in feeds]) for n in self.inputs}
        try:
            results = self.compute(together)
        except Exception as err:  # any fault of the graph must answer the client, or the stub's traceback does
            code = pb.TritonError.INVALID_ARG if isinstance(err, InvalidArgument) else pb.TritonError.INTERNAL
            error = pb.TritonError(f"the model cannot run on this input ({type(err).__name__})", code)
            return {position: pb.InferenceResponse(error=error) for position in positions}
        answers, start = {}, 0
        for position, feed, request in zip(positions, feeds, requests, strict=True):
            rows = slice(None) if len(feeds) == 1 else slice(start, start + len(feed[self.inputs[0]]))
            start = rows.stop or 0
            wanted = set(request.requested_output_names())
            named = zip(self.outputs, results, strict=True)
            tensors = [pb.Tensor(name, np.ascontiguousarray(array[rows])) for name, array in named if name in wanted]
            answers[position] = pb.InferenceResponse(tensors)
        return answers

    def compute(self, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Return what the graph gives of all rows, in as few runs as `at_once` allows."""
        rows = len(feed[self.inputs[0]]) if self.at_once else 0
        if rows <= self.at_once:
            found: list[np.ndarray] = self.session.run(self.outputs, feed)
            return found
        pieces = {name: np.array_split(array, -(-rows // self.at_once)) for name, array in feed.items()}
        runs = [
            self.session.run(self.outputs, dict(zip(pieces, piece, strict=True)))
            for piece in zip(*pieces.values(), strict=True)
        ]
        return [np.concatenate(parts) for parts in zip(*runs, strict=True)]


def open_session(path: str, config: dict[str, Any], kind: str, device: str) -> ort.InferenceSession:
    """Return a session with the thread counts of config.pbtxt (1 unless given; 0: all processors), on the GPU where Triton chose one."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = number_of(config, "intra_op_thread_count", 1) or processors()
    options.inter_op_num_threads = number_of(config, "inter_op_thread_count", 1)
    options.log_severity_level = (
        4  # the client is told what it did; a log line for each would let clients fill the disk
    )
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle instances must cost nothing
    providers: list[Any] = ["CPUExecutionProvider"]
    if kind == "GPU" and "CUDAExecutionProvider" in ort.get_available_providers():
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": int(device)}))
    return ort.InferenceSession(path, options, providers=providers)


def number_of(config: dict[str, Any], name: str, otherwise: int) -> int:
    """Return a parameter of config.pbtxt."""
    return int(config.get("parameters", {}).get(name, {}).get("string_value", otherwise))


def processors(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """Return how many processors this process may use, as components/data/cgroups.py counts, which is not here: left to itself, onnxruntime counts those of the machine that a container has a part of."""
    ours = len(os.sched_getaffinity(0))
    shares = [share for folder in cgroups(root, own) if (share := share_of(folder)) is not None]
    return max(min(ours, round(min(shares, default=ours))), 1)


def cgroups(root: Path, own: Path) -> Iterator[Path]:
    """Yield the folders of the cgroups that this process is in, and those that they lie in, of v2 and of v1's processors."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        lines = ["0::/", "1:cpu:/"]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            parts = [] if ".." in path.split("/") else path.strip("/").split("/")
            for deep in range(len(parts), -1, -1):
                yield (root / "cpu" if controllers else root).joinpath(*parts[:deep])


def share_of(folder: Path) -> float | None:
    """Return the part of the processors that a cgroup leaves; None where it has no limit."""
    said = words(folder / "cpu.max") or [*words(folder / "cpu.cfs_quota_us"), *words(folder / "cpu.cfs_period_us")]
    try:
        most, period = map(int, said)
    except ValueError:  # nothing, or `max`
        return None
    return most / period if most > 0 and period > 0 else None


def words(path: Path) -> list[str]:
    """Return what a file says; [] where there is none."""
    try:
        return path.read_text().split()
    except OSError:
        return []


def check_tensors(declared: list[dict[str, Any]], found: list[Any]) -> None:
    """Raise TritonModelException unless every tensor of config.pbtxt is in the graph, with the same type."""
    types = {tensor.name: TRITON_TYPES.get(tensor.type, tensor.type) for tensor in found}
    for tensor in declared:
        name, wanted = tensor["name"], tensor["data_type"]
        if types.get(name) != wanted:
            raise pb.TritonModelException(f"config.pbtxt declares {name} as {wanted}, but the ONNX graph has {types}")
