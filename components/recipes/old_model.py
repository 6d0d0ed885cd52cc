"""The model whose index is to be searched by one that is trained now: laid into `models` with what names its version and its space.

Axes: N rows, D shared width.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.contracts.errors import DataError
from components.contracts.evaluator import Space
from components.contracts.model_files import COMPATIBLE, MODEL_FILES
from components.contracts.progress import Progress
from components.contracts.sealed import sha256_of
from components.evaluation.embedding import Embedder
from components.recipes.trained import load_trained


@dataclass(frozen=True, slots=True, kw_only=True)
class OldModel:
    """A version that was served, and is asked and not trained.

    Args:
        folder: where it lies.
        label: the version, such as `clip@3`.
        digest: of its package.
        space: which vectors may be compared with its own, as of Package.
    """

    folder: str
    label: str
    digest: str
    space: str

    @classmethod
    def read(cls, folder: Path) -> "OldModel":
        """Return what was laid in; DataError where it is not whole, or not what was laid in."""
        try:
            said = json.loads((folder / COMPATIBLE).read_text(encoding="utf-8"))
            named = {key: str(said[key]) for key in ("label", "digest", "space")}
            files: Mapping[str, str] = said["files"]
            changed = [name for name in MODEL_FILES if sha256_of(folder / name) != files[name]]
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise DataError(
                f"{folder} holds no model that was laid in ({type(err).__name__}: {err}). Take the folder away and lay the model in again: "
                "diptych run --compatible-with clip@champion"
            ) from err
        if changed:
            raise DataError(
                f"{folder / changed[0]} is not what was laid in, so its vectors are not those of {named['label']}'s index. Take the folder "
                f"away and lay the model in again: diptych run --compatible-with {named['label']}"
            )
        return cls(folder=str(folder), **named)

    @property
    def files(self) -> tuple[Path, ...]:
        """Those that make the model."""
        return tuple(Path(self.folder) / name for name in (*MODEL_FILES, COMPATIBLE))

    @property
    def embedder(self) -> Embedder:
        """The model with its tokenizer and transform, opened once a process."""
        return _opened(self.folder)

    def as_json(self) -> dict[str, str]:
        """Return what a package says of it."""
        return {"label": self.label, "digest": self.digest, "space": self.space}

    @property
    def logit_scale(self) -> float:
        """What cosines are multiplied with before a softmax, as it was learned."""
        return self.embedder.logit_scale

    def encoded(
        self, pictures: Sequence[bytes], spaces: Sequence[Space], progress: Progress, doing: str
    ) -> dict[Space, NDArray[np.float32]]:
        """Return rows [N D] in each space."""
        return self.embedder.encoded(pictures, spaces, progress, doing)

    def pictures(self, pictures: Sequence[bytes], progress: Progress, doing: str) -> NDArray[np.float32]:
        """Return unit rows [N D], as they stand in its index."""
        return self.embedder.pictures(pictures, progress, doing)

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit rows [N D]."""
        return self.embedder.texts(texts)


@cache
def _opened(folder: str) -> Embedder:
    return load_trained(Path(folder))
