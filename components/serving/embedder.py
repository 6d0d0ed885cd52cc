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

    def pictures(self, pictures: Sequence[bytes]) -> Float[np.ndarray, "N D"]:
        """Return an embedding of each, NaN of one that cannot be decoded."""
        shown = [self._pixels(data) for data in pictures]
        there = [at for at, pixels in enumerate(shown) if pixels is not None]
        embeds = (
            self._encoders.embed_pixels(np.stack([pixels for pixels in shown if pixels is not None])) if there else None
        )
        width = self._encoders.width if embeds is None else embeds.shape[1]
        found = np.full((len(pictures), width), np.nan, np.float32)
        if embeds is not None:
            found[there] = embeds
        return found

    def texts(self, texts: Sequence[str]) -> Float[np.ndarray, "N D"]:
        """Return an embedding of each."""
        return self._encoders.embed_text(list(texts))

    def _pixels(self, picture: bytes) -> np.ndarray | None:
        try:
            return self._encoders.pixels(picture)
        except BadImage:
            return None


def open_embedder(said: str, here: Path, root: Path | None, threads: int = 0) -> Embedder:
    """Return the model of a package's folder or of a version of the registry; `threads` as of PackageEmbedder, errors as of open_package."""
    return PackageEmbedder(*open_package(said, here, root), threads)
