"""An ONNX graph of a package, read without trusting it: what it names outside of itself must be a file of the package that was hashed."""

from collections.abc import Iterator, Set
from math import prod
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from components.contracts.errors import StaleArtifact
from components.serving.package import REMEDY, Package

LARGE = 10_000_000  # numbers that a row is multiplied with: of fewer, threads that meet after each layer cost more than they give, and pieces of a batch than the whole
NEAR = 5 * 2**19
"""Bytes that the largest of what lies between two operators should take for each thread: where it takes far more, each row takes longer, since it comes and goes by the memory."""
AT_LEAST = 2  # rows of a thread, whatever they take: a large row is worth the company of another
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""Of operators that onnxruntime has itself; another would ask for a library that somebody else wrote."""


def read_graph(package: Package, model: str) -> onnx.GraphProto:
    """Return `<model>.onnx` of a package; weights that are kept beside it are not read.

    Raises StaleArtifact for what is no graph, for weights that lie in a file which the package does not list, and for operators of another's.
    """
    path = package.path / f"{model}.onnx"
    try:
        loaded = onnx.load(str(path), load_external_data=False)
    except DecodeError as err:
        raise StaleArtifact(f"{model}.onnx of {package.path} is no ONNX graph ({err}). {REMEDY}") from err
    if foreign := sorted({one.domain for one in loaded.opset_import} - DOMAINS):
        raise StaleArtifact(f"{path} needs operators of {foreign[0]!r}, which nobody here knows. {REMEDY}")
    for tensor in _tensors(loaded.graph):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        where = {entry.key: entry.value for entry in tensor.external_data}.get("location", "")
        if not where.startswith(f"{model}.onnx.") or where != Path(where).name or where not in package.files:
            raise StaleArtifact(
                f"{path} keeps its weights {tensor.name} in {where[:200]!r}, which is no file of the package beside it, so it is not read. {REMEDY}"
            )
    return loaded.graph


def weights_of(graph: onnx.GraphProto) -> int:
    """Return how many numbers a row is multiplied with; those of a table that rows are only taken from, such as a text's tokens, are none."""
    tables = {node.input[0] for node in graph.node if node.op_type == "Gather"}
    return sum(prod(one.dims) for one in graph.initializer if one.name not in tables)


def rows_a_thread(graph: onnx.GraphProto) -> int:
    """Return how many rows of a large graph to run at once for each thread: as many as NEAR has room for, AT_LEAST at least.

    By what the graph says of the shapes between its operators, whose first axis is called as that of its inputs; 0, which is any number, where it says nothing,
    and of a graph that is not large.
    """
    if weights_of(graph) <= LARGE:
        return 0
    rows = {one.type.tensor_type.shape.dim[0].dim_param for one in graph.input if one.type.tensor_type.shape.dim} - {""}
    largest = max((_row_bytes(one.type.tensor_type, rows) for one in graph.value_info), default=0)
    return max(NEAR // largest, AT_LEAST) if largest else 0


def _row_bytes(tensor: onnx.TypeProto.Tensor, rows: Set[str]) -> int:
    """Return what a row of it takes in float32; 0 where its first axis is not that of rows, or nobody knows how long another is."""
    axes = list(tensor.shape.dim)
    if not axes or axes[0].dim_param not in rows or not all(axis.dim_value > 0 for axis in axes[1:]):
        return 0
    return 4 * prod(axis.dim_value for axis in axes[1:])


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Yield every tensor that a graph holds: weights, constants, those of graphs within it."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)
