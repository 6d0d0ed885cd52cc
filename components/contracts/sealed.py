"""A sealed folder: manifest.json has the sha256 of every file, and one digest over them that names the whole.

Whoever packages, registers, fetches or serves a model relies on the same few lines.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from components.contracts.errors import StaleArtifact

MANIFEST = "manifest.json"
REMEDY = "Make the package again: dvc repro"


def sha256_of(path: Path) -> str:
    """Return the hex sha256 of a file's bytes."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def digest_of(files: Mapping[str, str]) -> str:
    """Return the digest over names and hashes (name -> sha256), as lines that `sha256sum` would print them."""
    lines = (f"{files[name]}  {name}\n" for name in sorted(files, key=PurePosixPath))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_sealed(folder: Path) -> dict[str, Any]:
    """Return manifest.json, whose `files` and `digest` fit each other; StaleArtifact when there is no such thing.

    The files themselves are not looked at: that takes as long as reading them, and is for `check_files`.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        digest, files = manifest["digest"], manifest["files"]
    except FileNotFoundError as err:
        raise StaleArtifact(f"{folder} holds no {MANIFEST}, so it is not a whole package. {REMEDY}") from err
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise StaleArtifact(f"{path} cannot be read ({type(err).__name__}: {err}). {REMEDY}") from err
    hashes = isinstance(files, dict) and all(isinstance(sha256, str) for sha256 in files.values())
    if not (isinstance(digest, str) and re.fullmatch(r"[0-9a-f]{64}", digest) and hashes):
        raise StaleArtifact(f"{path} needs a sha256 as digest and files by name. {REMEDY}")
    if digest_of(files) != digest:
        raise StaleArtifact(f"{path} was edited: its digest is not that of its files. {REMEDY}")
    return dict(manifest)


def check_files(folder: Path, files: Mapping[str, str]) -> None:
    """Raise StaleArtifact, naming the file, when one is missing, lies outside, or is not what its sha256 promises."""
    for name, promised in files.items():
        relative = PurePosixPath(name)
        if relative.is_absolute() or ".." in relative.parts:
            raise StaleArtifact(f"{folder / MANIFEST} lists '{name}', which lies outside the package. {REMEDY}")
        try:
            found = sha256_of(folder / relative)
        except OSError as err:
            raise StaleArtifact(f"{folder / name} is in the manifest but cannot be read: {err}. {REMEDY}") from err
        if found != promised:
            raise StaleArtifact(
                f"{folder / name} was changed after it was packaged (sha256 {found[:12]} instead of {promised[:12]}). "
                f"{REMEDY}"
            )
