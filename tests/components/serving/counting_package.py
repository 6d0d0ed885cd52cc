"""A package of large encoders that answer how many rows they were run on at once, where what lies in between is so large that three rows are near by.

Axes: N rows, L tokens, S pixels a side, D embedding width.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from components.serving.graph import LARGE, NEAR
from tests.components.serving.tiny_package import LENGTH, SIZE, WIDTH, make_package, write_manifest

NEAR_BY = 3  # rows
BETWEEN = NEAR // 4 // NEAR_BY  # numbers of a row, float32, between two operators


def make_counting_package(folder: Path) -> Path:
    """Write it; the numbers of an embedding are all N."""
    make_package(folder)
    _write(folder / "image_encoder.onnx", ("pixel_values", TensorProto.FLOAT, ["N", 3, SIZE, SIZE]), "image_embeds")
    _write(folder / "text_encoder.onnx", ("input_ids", TensorProto.INT64, ["N", LENGTH]), "text_embeds")
    write_manifest(folder)
    return folder


def _write(path: Path, taken: tuple[str, int, list[str | int]], given: str) -> None:
    nodes = [
        helper.make_node("Shape", [taken[0]], ["rows"], end=1),
        helper.make_node("Cast", ["rows"], ["count"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["rows", "between"], ["shape"], axis=0),
        helper.make_node("Expand", ["count", "shape"], ["large"]),
        helper.make_node("Slice", ["large", "first", "last", "axis"], [given]),
    ]
    numbers = {"between": [BETWEEN], "first": [0], "last": [WIDTH], "axis": [1]}
    graph = helper.make_graph(
        nodes,
        "counting",
        [helper.make_tensor_value_info(*taken)],
        [helper.make_tensor_value_info(given, TensorProto.FLOAT, ["N", WIDTH])],
        [
            numpy_helper.from_array(np.zeros(LARGE + 1, np.int8), "weights"),  # that make it large, and nothing else
            *(numpy_helper.from_array(np.array(value, np.int64), name) for name, value in numbers.items()),
        ],
        value_info=[helper.make_tensor_value_info("large", TensorProto.FLOAT, ["N", BETWEEN])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
