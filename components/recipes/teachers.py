"""Models that say what a student is to learn: a package, a version of the registry, or the folder of a trained or imported model.

Axes: N rows, S pixels a side, D embedding width.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from components.contracts.encoders import Encoders
from components.contracts.errors import ConfigError
from components.contracts.model_files import MODEL, MODEL_FILES
from components.contracts.sealed import digest_of, sha256_of
from components.evaluation.embedding import Embedder
from components.recipes.trained import load_trained
from components.serving.encoders import PackageEncoders
from components.serving.labels import Labels
from components.serving.package import Package
from components.serving.scorer import open_package


class TrainedTeacher:
    """The folder of a trained or imported model, by torch.

    Args:
        embedder: the model.
        name: how people call it.
        digest: over its files.
    """

    def __init__(self, embedder: Embedder, name: str, digest: str) -> None:
        self._embedder, self.name, self.digest = embedder, name, digest
        self.size, self.logit_scale = embedder.preprocess.size, embedder.logit_scale
        self.width = embedder.texts([""]).shape[1]

    @classmethod
    def open(cls, folder: Path) -> "TrainedTeacher":
        """Read the folder; DataError when a file is missing or does not fit, as of load_trained."""
        embedder = load_trained(folder)
        return cls(embedder, folder.resolve().name, digest_of({name: sha256_of(folder / name) for name in MODEL_FILES}))

    def image(self, pixels: Float[np.ndarray, "N 3 S S"]) -> Float[np.ndarray, "N D"]:
        """Return unit rows of pictures in [0, 1]."""
        return self._embedder.pixels_embedded(torch.from_numpy(pixels))

    def text(self, texts: Sequence[str]) -> Float[np.ndarray, "N D"]:
        """Return unit rows."""
        return self._embedder.texts(texts)


class PackageTeacher:
    """The two encoders of a package, by onnxruntime.

    Args:
        package: verified.
        name: how people call it.

    Raises ConfigError for a package of before labels.json, which does not say what it multiplies cosines with.
    """

    def __init__(self, package: Package, name: str) -> None:
        if not package.classifies:
            raise ConfigError(
                f"the package {package.path} does not say what it multiplies cosines with, so its logits are not known. Package the "
                "model again (dvc repro), or name the folder that it was packaged from."
            )
        self._encoders, self.name, self.digest = PackageEncoders(package), name, package.digest
        self.size, self.logit_scale = self._encoders.size, Labels.read(package.path).logit_scale
        self.width = self._encoders.width

    def image(self, pixels: Float[np.ndarray, "N 3 S S"]) -> Float[np.ndarray, "N D"]:
        """Return unit rows of pictures in [0, 1]."""
        return _unit(self._encoders.embed_pixels(pixels))

    def text(self, texts: Sequence[str]) -> Float[np.ndarray, "N D"]:
        """Return unit rows."""
        return _unit(self._encoders.embed_text(list(texts)))


def open_teacher(said: str, here: Path, root: Path | None) -> Encoders:
    """Return the model of a folder, relative to `here`, or of a version of the registry of a workspace.

    Raises ConfigError when it is neither, StaleArtifact or DataError when its files are not what they should be.
    """
    folder = here / said
    if (folder / MODEL).is_file():
        return TrainedTeacher.open(folder)
    return PackageTeacher(*open_package(said, here, root))


def _unit(rows: np.ndarray) -> np.ndarray:
    """Return them with length 1, though a package's encoders give them so, or nearly."""
    unit: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit
