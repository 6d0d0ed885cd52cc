"""The two encoders as ONNX, compared with torch before anybody may use them.

What is exported is the towers and their projections, of unit length at the end; losses and logit scale stay behind.
Axes: B rows, S pixels, L tokens, D shared width.
"""

import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from components.contracts.batch import Images, Texts
from components.contracts.errors import DataError
from components.models.dual_encoder import DualEncoder
from components.models.towers.text import TextTower, is_closed, mask_of

TEXTS = (
    "a red square", "Two green circles, beside a BLUE square!", "yes!/no", "naïve café — 東京", "a", "",
    "one caption that says so much of what there is to see, and then of what there is not, that no row of tokens of any model has room for it "
    "from its first word to its last one, which nobody will therefore ever read, however long the row may be that it was given to",
)  # fmt: skip
"""What a graph is compared on; CLIP's tokenizer gives the third a token inside whose id is that of padding."""


class ImageEncoder(nn.Module):
    """Pixels in [0, 1] to unit rows."""

    def __init__(self, model: DualEncoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Return float [B D] of float [B 3 S S]."""
        return normalize(self.model.encode_image(Images(pixels=pixel_values)).pooled, dim=-1)


class TextEncoder(nn.Module):
    """Token ids to unit rows; padding is id 0, or the text tower's own.

    Args:
        model: the two towers.
        texts: rows of its tokenizer, which show whether a text ends in what it is padded with.
    """

    def __init__(self, model: DualEncoder, texts: Texts) -> None:
        super().__init__()
        self.model = model
        self.pad = model.text.pad if isinstance(model.text, TextTower) else 0
        self.closed = is_closed(texts, self.pad)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Return float [B D] of int [B L]."""
        mask = mask_of(input_ids, self.pad, self.closed)
        return normalize(self.model.encode_text(Texts(ids=input_ids, mask=mask)).pooled, dim=-1)


def export(
    model: DualEncoder, folder: Path, pixels: Tensor, texts: Texts, opset: int, tolerance: float
) -> dict[str, float]:
    """Write image_encoder.onnx and text_encoder.onnx, and return how far each is from torch at most.

    Args:
        pixels: float [B 3 S S], pictures to compare on, at least 2.
        texts: to compare on, at least 2, as the tokenizer gives them: a graph takes ids alone, and must hide what the tokenizer hides.
        tolerance: most that a number of an embedding may differ; more raises DataError.
    """
    model = model.eval()
    with torch.inference_mode():
        shown, read = model.encode_image(Images(pixels=pixels)).pooled, model.encode_text(texts).pooled
    image = (ImageEncoder(model), pixels, shown, "image_encoder", "pixel_values", "image_embeds")
    text = (TextEncoder(model, texts), texts.ids, read, "text_encoder", "input_ids", "text_embeds")
    furthest = {}
    for encoder, rows, measured, name, taken, given in (image, text):
        path = folder / f"{name}.onnx"
        write(encoder, rows, path, taken, given, opset)
        furthest[name] = compare(path, taken, rows.numpy(), normalize(measured, dim=-1).numpy(), tolerance)
    return furthest


def write(encoder: nn.Module, rows: Tensor, path: Path, taken: str, given: str, opset: int) -> None:
    """Write one encoder with a free number of rows; weights beyond what one ONNX file can hold lie beside it, as `<name>.onnx.data`."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            encoder, (rows[:2],), str(path), input_names=[taken], output_names=[given], opset_version=opset, dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("rows", min=1, max=4096)},), external_data=False, verbose=False,
        )  # fmt: skip
    path.write_bytes(anonymous(onnx.load(path, load_external_data=False)))


def anonymous(model: onnx.ModelProto) -> bytes:
    """Return the model without what the exporter notes of where it ran.

    It writes stack traces with the paths of this machine into every node, so that the same weights exported from two
    folders would be two packages, and whoever gets the package would read our folders' names.
    """
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
    for function in model.functions:
        for part in (function, *function.node):
            del part.metadata_props[:]
    for node in (*graph.node, *(node for function in model.functions for node in function.node)):
        node.doc_string = ""
    return model.SerializeToString(deterministic=True)


def compare(path: Path, taken: str, rows: np.ndarray, wanted: np.ndarray, tolerance: float) -> float:
    """Return the largest difference between ONNX and torch, one row at a time and all at once."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    whole = session.run(None, {taken: rows})[0]
    single = session.run(None, {taken: rows[:1]})[0]
    furthest = float(max(np.abs(whole - wanted).max(), np.abs(single - wanted[:1]).max()))
    if not furthest <= tolerance:
        raise DataError(
            f"{path.name} differs from torch by {furthest:.2e} in an embedding's number, more than serving.tolerance "
            f"({tolerance:.0e}). It would serve other answers than were measured. Export or package the model again, raise the opset, or report the layer."
        )
    return furthest
