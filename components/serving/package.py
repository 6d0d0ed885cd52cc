"""A package on disk: the folder of one model, known by the sha256 of its files.

Serving trusts nothing it has not hashed: every file that is served is listed in manifest.json and is what it was.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from components.contracts.errors import StaleArtifact

SERVED_FILES = (
    "image_encoder.onnx",
    "text_encoder.onnx",
    "tokenizer.json",
    "transforms.json",
    "index.npy",
    "index.parquet",
)
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
        manifest = _manifest(path)
        files: dict[str, str] = manifest["files"]
        for name in SERVED_FILES:
            if name not in files:
                raise StaleArtifact(f"{path / 'manifest.json'} does not list {name}, which has to be served. {REMEDY}")
        if digest_of(files) != manifest["digest"]:
            raise StaleArtifact(f"{path / 'manifest.json'} was edited: its digest is not that of its files. {REMEDY}")
        for name, promised in files.items():
            found = _sha256(path, name)
            if found != promised:
                raise StaleArtifact(
                    f"{path / name} is not the file its manifest promises (sha256 {found[:12]} instead of "
                    f"{promised[:12]}): it was changed after packaging. Nothing was deployed. {REMEDY}"
                )
        return cls(path=path, digest=manifest["digest"], files=dict(files))


def digest_of(files: Mapping[str, str]) -> str:
    """Return the digest that names a package with these files (name -> sha256), as sealing it computes it."""
    lines = (f"{files[name]}  {name}\n" for name in sorted(files, key=PurePosixPath))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        digest, files = manifest["digest"], manifest["files"]
    except FileNotFoundError as err:
        raise StaleArtifact(f"{path} holds no manifest.json, so it is not a whole package. {REMEDY}") from err
    except (ValueError, KeyError, TypeError) as err:
        raise StaleArtifact(f"{path / 'manifest.json'} cannot be read ({type(err).__name__}: {err}). {REMEDY}") from err
    if not (isinstance(digest, str) and re.fullmatch(r"[0-9a-f]{64}", digest) and isinstance(files, dict)):
        raise StaleArtifact(f"{path / 'manifest.json'} needs a sha256 as digest and files by name. {REMEDY}")
    return dict(manifest)


def _sha256(path: Path, name: str) -> str:
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts:
        raise StaleArtifact(f"{path / 'manifest.json'} lists '{name}', which lies outside the package. {REMEDY}")
    try:
        with (path / relative).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, IsADirectoryError) as err:
        raise StaleArtifact(f"{path / name} is in the manifest but not in the folder. {REMEDY}") from err
