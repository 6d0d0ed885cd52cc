"""A whole package, made in a second: two ONNX encoders that know three colours, a tokenizer, an index, labels.

A picture's embedding is a random projection of its 8 x 8 means; a colour's word has the embedding of a picture that
is all of that colour. So nearest pictures are known by eye.
Axes: N pictures in the index, D = 16 embedding width, L = 8 tokens, S = 32 pixels a side.
"""

import io
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, checker, helper, numpy_helper, save
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from components.data.transforms.preprocess import Preprocess, to_float
from components.serving.labels import Labels
from components.serving.pack import seal, write_index

SIZE, LENGTH, WIDTH, CELLS, SCALE = 32, 8, 16, 8, 20.0
SHARPNESS = 0.5  # of the softmax over the package's own labels
COLOURS = {"red": (230, 20, 20), "green": (20, 200, 40), "blue": (30, 40, 220)}
WORDS = ["[PAD]", "[UNK]", "a", "square", *COLOURS]


def make_package(folder: Path, seed: int = 0, noise: int | None = None) -> Path:
    """Write a package into `folder`; another seed makes other weights, so another digest.

    Another `noise` makes other vectors of words that name no colour: another space, whose texts find the pictures of the first.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    projection = rng.normal(size=(3 * CELLS * CELLS, WIDTH)).astype(np.float32)
    _write_image_encoder(folder / "image_encoder.onnx", projection)
    _write_text_encoder(
        folder / "text_encoder.onnx", projection, rng if noise is None else np.random.default_rng(noise)
    )
    _tokenizer().save(str(folder / "tokenizer.json"))
    preprocess = Preprocess(size=SIZE)
    (folder / "transforms.json").write_text(preprocess.to_json())
    embeds = _write_index(folder, preprocess)
    # A colour's word is embedded as its picture is, but for a little noise; the picture is exact.
    # Green is asked by two prompts, so that it has two vectors: its own, and one between it and blue.
    red, green, blue = embeds
    between = (green + blue) / np.linalg.norm(green + blue)
    labels = Labels(
        set="colour", templates=("a {} square",), labels=tuple(COLOURS), logit_scale=SCALE, sharpness=SHARPNESS,
        vectors=np.stack([red, green, between, blue]), counts=(1, 2, 1),
    )  # fmt: skip
    labels.write(folder)
    write_manifest(folder)
    return folder


def write_manifest(folder: Path) -> str:
    """Describe the files that are there now; returns the digest."""
    (folder / "manifest.json").unlink(missing_ok=True)
    return seal(folder, {"recipe": "tiny", "data_digest": "0" * 64})


def picture(colour: tuple[int, int, int], size: int = 40) -> bytes:
    """Return a PNG of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(file, "PNG")
    return file.getvalue()


def _write_image_encoder(path: Path, projection: np.ndarray) -> None:
    stride = SIZE // CELLS
    nodes = [
        helper.make_node("AveragePool", ["pixel_values"], ["means"], kernel_shape=[stride] * 2, strides=[stride] * 2),
        helper.make_node("Flatten", ["means"], ["flat"], axis=1),
        helper.make_node("Sub", ["flat", "half"], ["centred"]),
        helper.make_node("MatMul", ["centred", "projection"], ["raw"]),
        helper.make_node("LpNormalization", ["raw"], ["image_embeds"], axis=1, p=2),
    ]
    weights = {"half": np.array(0.5, np.float32), "projection": projection}
    _save(path, nodes, weights, ("pixel_values", TensorProto.FLOAT, ["B", 3, SIZE, SIZE]), "image_embeds")


def _write_text_encoder(path: Path, projection: np.ndarray, rng: np.random.Generator) -> None:
    table = 0.01 * rng.normal(size=(len(WORDS), WIDTH)).astype(np.float32)
    for word, colour in COLOURS.items():
        channels = np.repeat(
            np.array(colour, np.float32) / 255 - 0.5, CELLS * CELLS
        )  # channel by channel, as flattened
        table[WORDS.index(word)] = channels @ projection
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"], axis=0),
        helper.make_node("ReduceMean", ["rows"], ["raw"], axes=[1], keepdims=0),
        helper.make_node("LpNormalization", ["raw"], ["text_embeds"], axis=1, p=2),
    ]
    _save(path, nodes, {"table": table}, ("input_ids", TensorProto.INT64, ["B", LENGTH]), "text_embeds")


def _save(
    path: Path, nodes: list, weights: dict[str, np.ndarray], source: tuple[str, int, list[str | int]], result: str
) -> None:
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info(*source)],
        [helper.make_tensor_value_info(result, TensorProto.FLOAT, ["B", WIDTH])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    save(model, str(path))


def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_truncation(LENGTH)
    tokenizer.enable_padding(length=LENGTH, pad_id=0, pad_token="[PAD]")
    return tokenizer


def _write_index(folder: Path, preprocess: Preprocess) -> np.ndarray:
    session = ort.InferenceSession(str(folder / "image_encoder.onnx"), providers=["CPUExecutionProvider"])
    pixels = np.stack([to_float(preprocess(picture(colour))) for colour in COLOURS.values()])
    embeds = session.run(["image_embeds"], {"pixel_values": pixels})[0]
    narrowed = {"split": ["val", "train", "train"], "category": ["warm", "cold", None]}
    write_index(
        folder, embeds, [f"key-{c}" for c in COLOURS], [f"a {c} square" for c in COLOURS], ["tiny"] * 3, narrowed
    )
    return embeds
