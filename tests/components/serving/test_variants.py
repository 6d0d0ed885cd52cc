"""Encoders in smaller numbers: what they are, and that none is taken which is slower, other, or finds less."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from components.contracts.errors import CapabilityError
from components.serving import variants, varied
from components.serving.encoders import PackageEncoders
from components.serving.package import Package
from components.serving.repository import ENCODERS, write_repository
from components.serving.variants import Tried, recall, write_variant
from components.serving.varied import vary
from tests.components.serving.counting_package import NEAR_BY, make_counting_package
from tests.components.serving.tiny_package import COLOURS, SIZE, make_package, picture

GOOD = Tried(side="text", kind="int8", times=1.6, cosine=0.99, before=0.9, after=0.896, queries=10)


@pytest.mark.parametrize(
    ("changed", "offered"),
    [
        ({}, True),
        ({"times": 1.49}, False),
        ({"cosine": 0.94}, False),
        ({"after": 0.894}, False),
        ({"after": 1.0}, True),
        ({"kind": "fp16", "times": 0.1}, True),
        ({"kind": "fp16", "times": 9.0, "cosine": 0.94}, False),
        ({"kind": "fp16", "times": 9.0, "after": 0.894}, False),
    ],
)
def test_all_three_have_to_hold(changed, offered):
    one = replace(GOOD, **changed)
    assert one.is_offered == offered
    assert ("not offered" in str(one)) != offered


@pytest.mark.parametrize("kind", ["int8", "fp16"])
@pytest.mark.parametrize("name", ENCODERS)
def test_a_variant_takes_and_gives_what_the_graph_does(package: Path, tmp_path: Path, kind, name):
    graph, out = package / f"{name}.onnx", tmp_path / "small.onnx"
    write_variant(kind, graph, out)
    old, new = (ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]) for path in (graph, out))
    for side in ("get_inputs", "get_outputs"):
        before, after = ([(one.name, one.type, one.shape[1:]) for one in getattr(its, side)()] for its in (old, new))
        assert before == after
    types = {one.data_type for one in onnx.load(out).graph.initializer}
    wanted = {"int8": {onnx.TensorProto.INT8}, "fp16": {onnx.TensorProto.FLOAT16}}[kind]
    assert wanted & types or (kind, name) == ("int8", "text_encoder")  # whose table is looked up and not multiplied


def test_recall_is_that_seen_by_eye_and_a_tie_counts_as_lost():
    scores, right = np.zeros((3, 12)), np.zeros((3, 12), bool)
    right[0, 0] = right[1, 0] = right[2, [0, 5]] = True
    scores[0] = np.arange(12)[::-1]  # first
    scores[1] = np.arange(12)  # last of twelve
    scores[2, 5] = 1  # one of two is first
    assert recall(scores, right) == pytest.approx(2 / 3)
    assert recall(np.zeros((1, 12)), right[:1]) == 0.0


def graphs_of(package: Path, folder: Path) -> dict[str, Path]:
    folder.mkdir()
    for name in ENCODERS:
        (folder / f"{name}.onnx").write_bytes((package / f"{name}.onnx").read_bytes())
    return {name: folder / f"{name}.onnx" for name in ENCODERS}


def held(package: Package, root: Path, count: int) -> dict[int, bytes]:
    return {at: picture(colour) for at, colour in enumerate(COLOURS.values())}


def test_no_more_rows_are_timed_at_once_than_a_thread_of_the_server_runs(package: Path, tmp_path: Path):
    graph = make_counting_package(tmp_path / "counting") / "image_encoder.onnx"
    assert (variants._at_once(graph), variants._at_once(package / graph.name)) == (NEAR_BY, variants.BATCH)
    session = ort.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    rows = variants._run(session, np.zeros((7, 3, SIZE, SIZE), np.float32), NEAR_BY)
    assert rows[:, 0].tolist() == [3, 3, 3, 3, 3, 3, 1]


@pytest.mark.parametrize("kind", ["int8", "fp16"])
def test_what_is_worth_it_takes_the_place_of_what_was(package: Path, tmp_path: Path, monkeypatch, kind):
    """Whatever it takes here: how fast a graph of three numbers is says nothing."""
    monkeypatch.setitem(variants.FASTER, kind, 0.0)
    monkeypatch.setattr(varied, "held_pictures", held)
    graphs = graphs_of(package, tmp_path / "graphs")
    said = vary(Package.verify(package), graphs, kind, tmp_path)
    assert ["text encoder in" in said[0], "image encoder in" in said[1]] == [True, True]
    assert all("taken" in one and "recall@10 100.0% of 3 texts" in one for one in said)
    assert all(graph.read_bytes() != (package / graph.name).read_bytes() for graph in graphs.values())
    new = ort.InferenceSession(str(graphs["image_encoder"]), providers=["CPUExecutionProvider"])
    own = PackageEncoders(Package.verify(package))
    pixels = np.stack([own.pixels(picture(colour)) for colour in COLOURS.values()])
    rows = new.run(None, {"pixel_values": pixels})[0]
    assert (rows * own.embed_pixels(pixels)).sum(1).min() > 0.99


@pytest.mark.parametrize(("kind", "precision"), [("fp16", "FP16"), ("int8", "FP32")])
def test_tensorrt_computes_in_what_the_graph_is_in(package: Path, tmp_path: Path, monkeypatch, kind, precision):
    """The text encoder's; no picture of the index is here, so that the image encoder stays in float32."""
    monkeypatch.setitem(variants.FASTER, kind, 0.0)
    whole = Package.verify(package)
    write_repository(whole, tmp_path / "repository")
    vary(whole, {name: tmp_path / "repository" / name / "1/model.onnx" for name in ENCODERS}, kind, None)
    for name, its in (("text_encoder", precision), ("image_encoder", "FP32")):
        said = (tmp_path / "repository" / name / "configs/tensorrt.pbtxt").read_text()
        assert f'key: "precision_mode" value: "{its}"' in said
        types = {one.data_type for one in onnx.load(tmp_path / "repository" / name / "1/model.onnx").graph.initializer}
        assert (onnx.TensorProto.FLOAT16 in types) == (its == "FP16")


def test_what_is_not_worth_it_stays_as_it_was_and_is_said(package: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setitem(variants.FASTER, "int8", float("inf"))
    graphs = graphs_of(package, tmp_path / "graphs")
    with pytest.raises(CapabilityError, match=r"int8 is not offered on this machine.*no picture of its index is here"):
        vary(Package.verify(package), graphs, "int8", None)
    assert all(graph.read_bytes() == (package / graph.name).read_bytes() for graph in graphs.values())


def test_a_package_without_an_index_cannot_be_told(tmp_path: Path):
    whole = Package.verify(make_package(tmp_path / "package"))
    bare = replace(whole, files={name: sha for name, sha in whole.files.items() if not name.startswith("index")})
    with pytest.raises(CapabilityError, match="has no index, so what is lost by float16 cannot be told"):
        vary(bare, {}, "fp16", None)
