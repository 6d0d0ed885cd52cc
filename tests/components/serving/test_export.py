"""What is exported answers as torch does, for any number of rows, and carries nothing of training."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from components.contracts.errors import DataError
from components.data.tokenizer_files import of_length
from components.data.transforms.preprocess import Preprocess
from components.evaluation.embedding import Embedder
from components.serving.export import compare, export
from components.serving.graph import read_graph, weights_of
from components.serving.package import Package
from tests.squares import clip_at_debug

TOLERANCE = 1e-4  # the recipe's
NAMES = {"image_encoder": ("pixel_values", "image_embeds"), "text_encoder": ("input_ids", "text_embeds")}


@pytest.fixture(scope="module")
def embedder(vocabulary) -> Embedder:
    """The recipe at `debug`; causal and read at the end token, as in the paper, so that the mask is exported too."""
    clip = clip_at_debug(vocabulary)
    clip.model.text.causal, clip.model.text.pool = True, "eos"
    return Embedder(clip.model, vocabulary, Preprocess(size=32))


@pytest.fixture(scope="module")
def texts(squares) -> list[str]:
    return [name for (name,) in squares.captions[:6]] + [""]


@pytest.fixture(scope="module")
def exported(embedder, squares, texts, tmp_path_factory) -> tuple[Path, dict[str, float]]:
    """The folder with both encoders, and how far they are from torch."""
    folder = tmp_path_factory.mktemp("exported")
    pixels, rows = embedder.pixels(squares.pictures[:7]), embedder.vocabulary(texts)
    return folder, export(embedder.model, folder, pixels, rows, opset=18, tolerance=TOLERANCE)


def run(folder: Path, name: str, rows: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(folder / f"{name}.onnx"), providers=["CPUExecutionProvider"])
    taken, given = NAMES[name]
    return session.run([given], {taken: rows})[0]


def test_it_says_how_far_each_is_from_torch(exported):
    assert set(exported[1]) == set(NAMES)
    assert all(0 <= furthest <= TOLERANCE for furthest in exported[1].values())


@pytest.mark.parametrize("rows", [1, 3, 7])
def test_pictures_come_out_as_torch_has_them(exported, embedder, squares, rows):
    pictures = squares.pictures[10 : 10 + rows]  # not those it was compared on
    answered = run(exported[0], "image_encoder", embedder.pixels(pictures).numpy())
    np.testing.assert_allclose(answered, embedder.pictures(pictures), rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(np.linalg.norm(answered, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("rows", [1, 3, 7])
def test_texts_come_out_as_torch_has_them(exported, embedder, texts, rows):
    odd = ["", "a <pad> square", "red " * 40, "\N{PARTY POPPER}", *texts][:rows]
    answered = run(exported[0], "text_encoder", embedder.vocabulary(odd).ids.numpy())
    np.testing.assert_allclose(answered, embedder.texts(odd), rtol=0, atol=TOLERANCE)


def test_weights_beyond_what_one_file_holds_lie_beside_the_graph(embedder, squares, texts, tmp_path, monkeypatch):
    """Above 1.5 GiB, which the exporter is told is no byte here."""
    monkeypatch.setattr("torch.onnx._internal.exporter._onnx_program._LARGE_MODEL_THRESHOLD", 0)
    pixels, rows = embedder.pixels(squares.pictures[:7]), embedder.vocabulary(texts)
    furthest = export(embedder.model, tmp_path, pixels, rows, opset=18, tolerance=TOLERANCE)
    assert all(0 <= one <= TOLERANCE for one in furthest.values())
    package = Package(path=tmp_path, digest="0" * 64, files={file.name: "0" * 64 for file in tmp_path.iterdir()})
    for name in NAMES:
        (beside,) = (file for file in package.files if file.startswith(f"{name}.onnx."))
        graph = read_graph(package, name)
        held = sum(len(tensor.raw_data) for tensor in graph.initializer)
        assert held < (tmp_path / beside).stat().st_size / 50
        assert weights_of(graph) == weights_of(onnx.load(tmp_path / f"{name}.onnx").graph) > 1000
    np.testing.assert_allclose(
        run(tmp_path, "text_encoder", rows.ids.numpy()), embedder.texts(texts), rtol=0, atol=TOLERANCE
    )


def test_nothing_of_training_is_exported_and_nothing_lies_beside(exported):
    folder, _ = exported
    assert {path.name for path in folder.iterdir()} == {f"{name}.onnx" for name in NAMES}
    for name in NAMES:
        model = onnx.load(folder / f"{name}.onnx")
        onnx.checker.check_model(model)
        held = {tensor.name for tensor in model.graph.initializer}
        other = "text" if name == "image_encoder" else "image"
        assert not [part for part in held if "scale" in part.lower() and "log" in part.lower()]
        assert not [part for part in held if part.startswith(f"model.{other}")]
        assert [part for part in held if f"{name.split('_')[0]}_projection" in part]
        assert not {"Dropout", "RandomNormal", "RandomUniform"} & {node.op_type for node in model.graph.node}
        assert (model.graph.input[0].name, model.graph.output[0].name) == NAMES[name]


def test_the_opset_is_the_recipes(exported):
    model = onnx.load(exported[0] / "image_encoder.onnx")
    assert [opset.version for opset in model.opset_import if opset.domain == ""] == [18]


@pytest.mark.parametrize("row", [0, 2])
def test_an_encoder_that_answers_otherwise_is_refused(exported, embedder, squares, row):
    pixels = embedder.pixels(squares.pictures[:3])
    wanted = embedder.pictures(squares.pictures[:3])
    assert compare(exported[0] / "image_encoder.onnx", "pixel_values", pixels.numpy(), wanted, TOLERANCE) <= TOLERANCE
    wanted[row, 0] += 2 * TOLERANCE
    with pytest.raises(DataError, match=r"image_encoder\.onnx differs from torch by 2.*serving\.tolerance"):
        compare(exported[0] / "image_encoder.onnx", "pixel_values", pixels.numpy(), wanted, TOLERANCE)


def test_a_tolerance_of_nothing_is_breached(embedder, squares, texts, tmp_path):
    pixels, rows = embedder.pixels(squares.pictures[:2]), embedder.vocabulary(texts[:2])
    with pytest.raises(DataError, match="differs from torch"):
        export(embedder.model, tmp_path, pixels, rows, opset=18, tolerance=0.0)


def test_what_the_tokenizer_hides_is_what_the_graph_must_hide(embedder, squares, texts, tmp_path):
    pixels, rows = embedder.pixels(squares.pictures[:2]), embedder.vocabulary(texts[:2])
    rows.mask[1] = True  # of padding in one row alone the ids do not say that it is read
    with pytest.raises(DataError, match=r"text_encoder\.onnx differs from torch by"):
        export(embedder.model, tmp_path, pixels, rows, opset=18, tolerance=TOLERANCE)


@pytest.mark.parametrize("pool", ["eos", "mean"])
def test_texts_that_end_in_what_they_are_padded_with_come_out_as_torch_has_them(vocabulary, squares, pool, tmp_path):
    """As SigLIP's tokenizer has it, where a recipe takes it and hides padding."""
    end = vocabulary.tokenizer.token_to_id("<end>")
    clip = clip_at_debug(vocabulary)
    clip.model.text.causal, clip.model.text.pool, clip.model.text.pad = False, pool, end
    closed = of_length(vocabulary.tokenizer, vocabulary.context, end)
    embedder = Embedder(clip.model, closed, Preprocess(size=32))
    asked = ["", "a red square", "red " * 40]
    assert closed(asked).ids[0, -1] == end
    export(clip.model, tmp_path, embedder.pixels(squares.pictures[:2]), closed(asked), opset=18, tolerance=TOLERANCE)
    answered = run(tmp_path, "text_encoder", closed(asked).ids.numpy())
    np.testing.assert_allclose(answered, embedder.texts(asked), rtol=0, atol=TOLERANCE)


def test_an_encoder_that_gives_no_number_is_refused(exported, embedder, squares):
    pixels = embedder.pixels(squares.pictures[:2])
    wanted = torch.full((2, 32), float("nan")).numpy()
    with pytest.raises(DataError, match="differs from torch by nan"):
        compare(exported[0] / "image_encoder.onnx", "pixel_values", pixels.numpy(), wanted, TOLERANCE)


def test_an_encoder_whose_rows_are_mixed_is_refused(tmp_path):
    """As a batch norm left in training would: right for the rows all at once, wrong for one alone."""
    path, rows = tmp_path / "mixing.onnx", np.eye(3, dtype=np.float32)
    axes = onnx.numpy_helper.from_array(np.array([0]), "axes")
    nodes = [
        onnx.helper.make_node("ReduceMean", ["x", "axes"], ["mean"]),
        onnx.helper.make_node("Sub", ["x", "mean"], ["y"]),
    ]
    sides = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["rows", 3]) for name in "xy"]
    graph = onnx.helper.make_graph(nodes, "mixing", sides[:1], sides[1:], [axes])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9), path)
    with pytest.raises(DataError, match=r"mixing\.onnx differs from torch by 6\.67e-01"):
        compare(path, "x", rows, rows - rows.mean(0), TOLERANCE)


def test_an_exported_encoder_names_no_folder_of_this_machine(exported):
    for name in NAMES:
        held = (exported[0] / f"{name}.onnx").read_bytes()
        assert str(Path(__file__).parents[3]).encode() not in held
        assert b"site-packages" not in held
