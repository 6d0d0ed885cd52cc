"""A package as what says how well words fit a picture: `PACKAGE`, or `NAME@VERSION` of the registry.

Axes: N pictures, T texts, D embedding width.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from components.contracts.errors import ConfigError
from components.contracts.scorer import Scorer
from components.contracts.sealed import MANIFEST
from components.data.transforms.preprocess import BadImage
from components.serving.encoders import PackageEncoders
from components.serving.package import Package


class PackageScorer:
    """The cosine between the two encoders of a package.

    Args:
        package: verified.
        name: how reports call it; the first digits of the package's digest stand behind it.
    """

    def __init__(self, package: Package, name: str) -> None:
        self.name = f"{name} ({package.digest[:12]})"
        self._encoders = PackageEncoders(package)

    def score(self, pictures: Sequence[bytes], texts: Sequence[Sequence[str]]) -> Float[np.ndarray, " N"]:
        """Return the best cosine of each picture and its texts, NaN where one of the two is missing."""
        scores = np.full(len(pictures), np.nan, np.float32)
        pixels = {
            at: shown for at, data in enumerate(pictures) if texts[at] and (shown := self._pixels(data)) is not None
        }
        if not pixels:
            return scores
        owner = np.array([at for at in pixels for _ in texts[at]])
        image = _unit(self._encoders.embed_pixels(np.stack(list(pixels.values()))))
        text = _unit(self._encoders.embed_text([said for at in pixels for said in texts[at]]))
        row = {at: place for place, at in enumerate(pixels)}
        cosines = (image[[row[at] for at in owner.tolist()]] * text).sum(1)
        np.fmax.at(scores, owner, cosines)
        return scores

    def _pixels(self, picture: bytes) -> np.ndarray | None:
        try:
            return self._encoders.pixels(picture)
        except BadImage:
            return None


def open_scorer(said: str, here: Path, root: Path | None) -> Scorer:
    """Return the model of a package's folder or of a version of the registry; errors as of open_package."""
    return PackageScorer(*open_package(said, here, root))


def open_package(said: str, here: Path, root: Path | None) -> tuple[Package, str]:
    """Return the package of a folder, relative to `here`, or of a version of the registry of a workspace, and its name.

    Raises ConfigError when it is neither, and StaleArtifact when its files are not what was packaged.
    """
    folder = here / said
    if (folder / MANIFEST).is_file():
        return Package.verify(folder), folder.resolve().name
    name, _, number = said.partition("@")
    if folder.exists() or not (name and number):
        raise ConfigError(
            f"{said!r} is no model: {folder} holds no {MANIFEST}, and a version of the registry is called like clip@3 or clip@champion. Give the "
            "folder of a package, such as runs/clip/package, or a version that `diptych status` names."
        )
    if root is None:
        raise ConfigError(
            f"{said} would be a version of a registry, but {here} is in no workspace, so there is none. Go to a checkout of "
            "diptych, or give the folder of a package."
        )
    from components.registry.champion import files_of
    from components.registry.store import open_store
    from components.registry.versions import by_label

    version = by_label(open_store(root), said)
    return Package.verify(files_of(version, root)), said


def _unit(rows: np.ndarray) -> np.ndarray:
    """Return them with length 1, though a package's encoders give them so, or nearly."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
