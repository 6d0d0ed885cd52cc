"""A package on disk: the folder of one model, known by the sha256 of its files.

Serving trusts nothing it has not hashed: every file that is served is listed in manifest.json and is what it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.contracts.errors import StaleArtifact
from components.contracts.sealed import MANIFEST, check_files, digest_of, read_sealed
from components.serving.labels import LABEL_FILES

SERVED_FILES = (
    "image_encoder.onnx",
    "text_encoder.onnx",
    "tokenizer.json",
    "transforms.json",
    "index.npy",
    "index.parquet",
)
ENCODING = (
    "image_encoder.onnx",
    "text_encoder.onnx",
    "tokenizer.json",
    "transforms.json",
)  # and weights beside a graph
REMEDY = "Run `dvc repro` to package the model again, then deploy."


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A verified package.

    Args:
        path: the folder.
        digest: sha256 that names the package, 64 hexadecimal digits, from its manifest.
        files: name -> sha256 of every file the manifest lists.
    """

    path: Path
    digest: str
    files: Mapping[str, str]

    @classmethod
    def verify(cls, path: Path) -> "Package":
        """Read manifest.json and hash every file it lists.

        Raises StaleArtifact, naming the file, when one is missing, changed or not listed.
        """
        manifest = read_sealed(path)
        files: dict[str, str] = manifest["files"]
        labels = LABEL_FILES if any(name in files for name in LABEL_FILES) else ()
        for name in (*SERVED_FILES, *labels):
            if name not in files:
                raise StaleArtifact(f"{path / MANIFEST} does not list {name}, which has to be served. {REMEDY}")
        check_files(path, files)
        return cls(path=path, digest=manifest["digest"], files=dict(files))

    @property
    def space(self) -> str:
        """Which vectors may be compared with this model's own: a digest of what turns pictures and words into them."""
        parts = {name: sha256 for name, sha256 in self.files.items() if name.startswith(ENCODING)}
        return digest_of(parts)

    @property
    def classifies(self) -> bool:
        """Whether it has what pictures are classified with; packages of before labels.json have not."""
        return LABEL_FILES[0] in self.files

    @property
    def searches(self) -> bool:
        """Whether it has an index of pictures; a model that is exported without a run has not."""
        return "index.npy" in self.files
