"""Two encoders in this process: ONNX graphs on onnxruntime, with the transforms.json and the tokenizer.json that go before them.

Axes: N samples, D embedding width.
"""

from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NoSuchFile,
    NotImplemented,
    RuntimeException,
)
from tokenizers import Tokenizer

from components.contracts.errors import StaleArtifact
from components.data.transforms.preprocess import Preprocess, to_float
from components.serving.graph import read_graph, rows_a_thread
from components.serving.package import REMEDY, Package

FAULTS = (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile, NotImplemented, RuntimeException)


class Encoders:
    """Two encoders of one space. StaleArtifact where a graph cannot be loaded, or cannot be run.

    Args:
        image, text: files of the graphs, which somebody has looked at.
        transforms, tokenizer: files of what makes pixels of pictures, and ids of texts.
        threads: that compute at once; 0 for as many as there are cores.
        rows: that the graphs of pictures and of texts are run on at once for each of `threads`, at most; 0 for any number. Where these are all
            cores, whole batches are run, so that no vector is rounded otherwise on a machine with more of them.
        quiet: whether onnxruntime's own log is off, which what strangers send could fill.
    """

    def __init__(
        self,
        *,
        image: Path,
        text: Path,
        transforms: Path,
        tokenizer: Path,
        threads: int,
        rows: tuple[int, int] = (0, 0),
        quiet: bool = False,
    ) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        if quiet:
            options.log_severity_level = 4
        self._image, self._text = _session(image, options), _session(text, options)
        self._at_once = [threads * most for most in rows]
        self._preprocess = Preprocess.from_json(transforms.read_text(encoding="utf-8"))
        self._tokenizer = Tokenizer.from_file(str(tokenizer))

    @property
    def size(self) -> int:
        """Return the pixels a side that the image encoder takes."""
        return self._preprocess.size

    @property
    def width(self) -> int:
        """Return D."""
        return int(self._image.get_outputs()[0].shape[1])

    def pixels(self, picture: bytes) -> np.ndarray:
        """Return float32 [3 S S], as the image encoder takes it. Raises BadImage when the bytes cannot be decoded."""
        return to_float(self._preprocess(picture))

    def made(self, width: int, height: int) -> int:
        """Return how many pixels are made of a picture of those sides before it has the encoder's, as `Preprocess` says."""
        return self._preprocess.made(width, height)

    def embed_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Return float32 [N D] of float32 [N 3 S S]."""
        return _run(self._image, pixels, self._at_once[0], taken="pixel_values", given="image_embeds")

    def embed_image(self, pictures: list[bytes]) -> np.ndarray:
        """Return float32 [N D]."""
        return self.embed_pixels(np.stack([self.pixels(data) for data in pictures]))

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """Return float32 [N D]."""
        return _run(self._text, self.tokens(texts), self._at_once[1], taken="input_ids", given="text_embeds")

    def tokens(self, texts: list[str]) -> np.ndarray:
        """Return int64 [N L], as the text encoder takes them."""
        return np.array([self._tokenizer.encode(text).ids for text in texts], np.int64)


class PackageEncoders(Encoders):
    """What is served of a package, without a server.

    Args:
        package: verified.
        threads: as of `Encoders`.
    """

    def __init__(self, package: Package, threads: int = 0) -> None:
        image, text = (rows_a_thread(read_graph(package, f"{side}_encoder")) for side in ("image", "text"))
        super().__init__(
            image=package.path / "image_encoder.onnx", text=package.path / "text_encoder.onnx",
            transforms=package.path / "transforms.json", tokenizer=package.path / "tokenizer.json", threads=threads, rows=(image, text),
        )  # fmt: skip


def _session(path: Path, options: ort.SessionOptions) -> ort.InferenceSession:
    try:
        return ort.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    except FAULTS as err:
        raise StaleArtifact(f"{path} cannot be loaded ({err}). {REMEDY}") from err


def _run(session: ort.InferenceSession, rows: np.ndarray, at_once: int, *, taken: str, given: str) -> np.ndarray:
    pieces = [rows] if not at_once or len(rows) <= at_once else np.array_split(rows, -(-len(rows) // at_once))
    try:
        found = [session.run([given], {taken: piece})[0] for piece in pieces]
    except FAULTS as err:
        raise StaleArtifact(f"the graph that gives {given} cannot be run ({err}). {REMEDY}") from err
    embeds: np.ndarray = found[0] if len(found) == 1 else np.concatenate(found)
    return embeds
