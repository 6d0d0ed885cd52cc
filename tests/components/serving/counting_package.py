"""A package whose picture encoder answers how many rows it was run on at once, where what lies in between is so large that two rows are near by.

Axes: N rows, S pixels a side, D embedding width.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from components.serving.graph import NEAR
from tests.components.serving.tiny_package import SIZE, WIDTH, make_package, write_manifest

NEAR_BY = 2  # rows
BETWEEN = NEAR // 4 // NEAR_BY  # numbers of a row, float32, between two operators


def make_counting_package(folder: Path) -> Path:
    """Write it; the numbers of an embedding are all N."""
    make_package(folder)
    nodes = [
        helper.make_node("Shape", ["pixel_values"], ["rows"], end=1),
        helper.make_node("Cast", ["rows"], ["count"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["rows", "between"], ["shape"], axis=0),
        helper.make_node("Expand", ["count", "shape"], ["large"]),
        helper.make_node("Slice", ["large", "first", "last", "axis"], ["image_embeds"]),
    ]
    numbers = {"between": [BETWEEN], "first": [0], "last": [WIDTH], "axis": [1]}
    graph = helper.make_graph(
        nodes,
        "counting",
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, ["N", WIDTH])],
        [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in numbers.items()],
        value_info=[helper.make_tensor_value_info("large", TensorProto.FLOAT, ["N", BETWEEN])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, folder / "image_encoder.onnx")
    write_manifest(folder)
    return folder
