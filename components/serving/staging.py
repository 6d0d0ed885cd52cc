"""All that one server needs on disk, in a folder of its own: `.diptych/served/<instance>/`.

No two servers share a file, so a new one can be made ready, or thrown away, beside one that serves.
"""

import json
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from components.contracts.sealed import check_files, sha256_of
from components.serving.endpoint import Endpoint, served_folder
from components.serving.environment import ServingEnvironment
from components.serving.package import Package
from components.serving.repository import write_repository
from components.serving.sweep import workspace_prefix

SUMS = "repository.json"  # sha256 of its files, beside it


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A server's folder, whole.

    Args:
        home: the folder; its name is the instance's.
        package_digest: of the package in its repository.
        space: of its vectors.
        environment: what runs it.
        key: what the restricted APIs ask for.
        shm_prefix: how the names of its shared memory begin.
    """

    home: Path
    package_digest: str
    space: str
    environment: ServingEnvironment
    key: str
    shm_prefix: str

    @property
    def repository(self) -> Path:
        """The Triton model repository."""
        return self.home / "repository"

    @property
    def backends(self) -> Path:
        """Triton's Python backend, and ours."""
        return self.home / "backends"

    @property
    def key_file(self) -> Path:
        """The key, readable by its owner only."""
        return self.home / "key"

    @property
    def log(self) -> Path:
        """What the server and its Python models print."""
        return self.home / "log.txt"


def stage(root: Path, package: Package) -> Staged:
    """Lay out a new instance; the lock is held. CapabilityError where Triton cannot run, before anything is written."""

    def write(target: Path) -> None:
        write_repository(package, target)
        files = {file.relative_to(target).as_posix(): sha256_of(file) for file in target.rglob("*") if file.is_file()}
        (target.parent / SUMS).write_text(json.dumps(files), encoding="utf-8")

    return _laid_out(root, package.digest, package.space, write)


def stage_again(root: Path, endpoint: Endpoint) -> Staged:
    """Lay out a new instance on the repository of another, and on what its index is searched by; files are shared where the disk can.

    Raises StaleArtifact where a file is not what it was when it was first laid out.
    """
    sums = endpoint.repository.parent / SUMS
    if sums.exists():
        check_files(endpoint.repository, json.loads(sums.read_text(encoding="utf-8")))
    staged = _laid_out(
        root,
        endpoint.package_digest,
        endpoint.space,
        lambda target: shutil.copytree(endpoint.repository, target, copy_function=_linked),
    )
    for file in endpoint.repository.parent.glob("*"):
        if file.suffix in (".db", ".npy") or file.name == SUMS:
            _linked(str(file), str(staged.home / file.name))
    return staged


def _laid_out(root: Path, digest: str, space: str, write: Callable[[Path], object]) -> Staged:
    environment = ServingEnvironment.find(root)
    instance = f"{digest[:12]}-{secrets.token_hex(4)}"
    staged = Staged(
        home=served_folder(root) / instance,
        package_digest=digest,
        space=space,
        environment=environment,
        key=secrets.token_urlsafe(32),
        shm_prefix=workspace_prefix(root) + instance,
    )
    staged.home.mkdir(mode=0o700)
    with os.fdopen(os.open(staged.key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(staged.key)
    write(staged.repository)
    environment.stage_backends(staged.backends)
    return staged


def _linked(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
