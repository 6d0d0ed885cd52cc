"""Graphs that somebody made to read what is not theirs: refused before anything runs them."""

import shutil
from pathlib import Path

import onnx
import pytest
from onnx import helper, numpy_helper

from components.contracts.errors import StaleArtifact
from components.serving.encoders import PackageEncoders
from components.serving.graph import AT_LEAST, LARGE, NEAR, read_graph, rows_a_thread
from components.serving.package import Package
from components.serving.repository import write_repository
from tests.components.serving.tiny_package import write_manifest


def kept_at(tensor: onnx.TensorProto, where: str) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=where)


def weights_elsewhere(model: onnx.ModelProto, where: str) -> None:
    kept_at(model.graph.initializer[0], where)


def a_constant_elsewhere(model: onnx.ModelProto, where: str) -> None:
    tensor = numpy_helper.from_array(numpy_helper.to_array(model.graph.initializer[0]), "stolen")
    kept_at(tensor, where)
    model.graph.node.append(helper.make_node("Constant", [], ["unused"], value=tensor))


def in_a_branch(model: onnx.ModelProto, where: str) -> None:
    inner = onnx.ModelProto()
    inner.CopyFrom(model)
    weights_elsewhere(inner, where)
    model.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=inner.graph, else_branch=inner.graph))


@pytest.fixture
def copy(package: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(package, tmp_path / "copy"))


@pytest.mark.parametrize("hide", [weights_elsewhere, a_constant_elsewhere, in_a_branch])
@pytest.mark.parametrize(
    "where", ["/etc/passwd", "../secret", "text_encoder.onnx.d/../../secret", "text_encoder.onnx.data", "labels.json", ""]
)  # fmt: skip
def test_weights_that_lie_outside_of_the_package_are_not_read(copy: Path, tmp_path: Path, hide, where: str) -> None:
    path = copy / "text_encoder.onnx"
    model = onnx.load(str(path))
    hide(model, where)
    path.write_bytes(model.SerializeToString())
    write_manifest(copy)
    package = Package.verify(copy)
    with pytest.raises(StaleArtifact, match="no file of the package beside it"):
        write_repository(package, tmp_path / "repository")
    with pytest.raises(StaleArtifact, match="no file of the package beside it"):
        PackageEncoders(package)


@pytest.mark.parametrize(
    ("shapes", "rows"),
    [
        ([], 0),  # who says nothing of its shapes is asked for any number
        ([["N", NEAR // 16]], 4),
        ([["N", NEAR // 40], ["N", 2, NEAR // 40], ["N", 1]], 5),  # by the largest
        ([["N", NEAR // 15]], 3),  # of which a fourth has no room
        ([["N", NEAR]], AT_LEAST),
        ([[1, NEAR], ["8*N", NEAR], ["N", "L", NEAR], ["N", -1], ["N", 0], []], 0),  # no rows, or of no known size
        ([[1, NEAR], ["8*N", NEAR], ["N", NEAR // 40]], 10),
    ],
)
def test_rows_are_as_many_as_stay_near_by(shapes: list[list[str | int]], rows: int) -> None:
    between = [helper.make_tensor_value_info(str(at), onnx.TensorProto.FLOAT, shape) for at, shape in enumerate(shapes)]
    taken = [
        helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 3]),
        helper.make_tensor_value_info("scale", onnx.TensorProto.FLOAT, []),
    ]
    many, few = (onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[LARGE + more]) for more in (1, 0))
    assert rows_a_thread(helper.make_graph([], "encoder", taken, [], [many], value_info=between)) == rows
    assert rows_a_thread(helper.make_graph([], "encoder", taken, [], [few], value_info=between)) == 0  # small


def test_weights_that_the_package_lists_are_fine(copy: Path) -> None:
    path = copy / "text_encoder.onnx"
    model = onnx.load(str(path))
    weights_elsewhere(model, "text_encoder.onnx.data")
    path.write_bytes(model.SerializeToString())
    (copy / "text_encoder.onnx.data").write_bytes(b"weights")
    write_manifest(copy)
    assert read_graph(Package.verify(copy), "text_encoder").initializer


def test_operators_of_another_library_are_refused(copy: Path) -> None:
    path = copy / "image_encoder.onnx"
    model = onnx.load(str(path))
    model.opset_import.append(helper.make_opsetid("org.evil", 1))
    path.write_bytes(model.SerializeToString())
    write_manifest(copy)
    with pytest.raises(StaleArtifact, match=r"operators of 'org\.evil'"):
        read_graph(Package.verify(copy), "image_encoder")
