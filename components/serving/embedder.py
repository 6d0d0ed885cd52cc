"""A package as what turns pictures and words into vectors.

Axes: N pictures or texts, D embedding width.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from components.contracts.embedder import Embedder
from components.data.transforms.preprocess import BadImage
from components.serving.encoders import PackageEncoders
from components.serving.package import Package
from components.serving.scorer import open_package


class PackageEmbedder:
    """The two encoders of a package.

    Args:
        package: verified.
        name: how reports call it; the digest of the package stands behind it.
        threads: that compute at once; 0 for as many as there are cores.
    """

    def __init__(self, package: Package, name: str, threads: int = 0) -> None:
        self.name = f"{name} ({package.digest[:12]})"
        self._encoders = PackageEncoders(package, threads)

    @property
    def width(self) -> int:
        """Return D."""
        return self._encoders.width

    def pictures(self, pictures: Sequence[bytes]) -> Float[np.ndarray, "N D"]:
        """Return an embedding of each, NaN of one that cannot be decoded."""
        return self.seen(pictures)[0]

    def seen(self, pictures: Sequence[bytes]) -> tuple[Float[np.ndarray, "N D"], list[str | None]]:
        """Return the same, and of each why it cannot be decoded, None of one that can."""
        shown: list[np.ndarray] = []
        faults: list[str | None] = []
        for data in pictures:
            try:
                shown.append(self._encoders.pixels(data))
                faults.append(None)
            except BadImage as err:
                faults.append(str(err))
        found = np.full((len(faults), self.width), np.nan, np.float32)
        if shown:
            found[[fault is None for fault in faults]] = self._encoders.embed_pixels(np.stack(shown))
        return found, faults

    def texts(self, texts: Sequence[str]) -> Float[np.ndarray, "N D"]:
        """Return an embedding of each."""
        if not texts:
            return np.zeros((0, self.width), np.float32)
        return self._encoders.embed_text(list(texts))


def open_embedder(said: str, here: Path, root: Path | None, threads: int = 0) -> Embedder:
    """Return the model of a package's folder or of a version of the registry; `threads` as of PackageEmbedder, errors as of open_package."""
    return PackageEmbedder(*open_package(said, here, root), threads)
