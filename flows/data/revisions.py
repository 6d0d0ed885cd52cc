"""A version of data by whatever a person calls it: a folder, a revision of git, the digest of a snapshot or selection.

`REV` is data/raw as dvc.lock has it there, `REV:data/curated/clip` another folder. What DVC has in its cache, or in a remote, is
copied to a folder that goes afterwards: manifests only, never shards.
"""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from components.contracts.errors import ConfigError, DataError
from components.contracts.plain_yaml import load_yaml
from components.data.kinds import KINDS
from components.data.manifest import read_manifest, snapshot_digest
from components.data.versions.difference import Version
from components.stages.place import private
from flows.lineage.entries import RAW

_DIGEST = re.compile(r"[0-9a-f]{8,64}")
_FOLDERS = (RAW, "data/validated", "data/evaluation/*", "data/curated/*")
_BESIDE = tuple(kind.file for kind in KINDS)


def version_of(said: str, here: Path, root: Path | None, scratch: Path) -> Version:
    """Return the version that `said` names; ConfigError when it is none, DataError when its manifest can be had nowhere.

    Args:
        here: where relative paths start.
        root: the workspace; without one, only paths are known.
        scratch: an empty folder, for what is fetched.
    """
    if (here / said).exists():
        return Version.at(here / said, said)
    if root is None:
        raise ConfigError(
            f"there is nothing at {here / said}, and {here} lies in no workspace, so {said!r} can be no revision and no digest. "
            "Name a folder with a manifest.parquet, or go to a checkout of diptych."
        )
    rev, _, folder = said.partition(":")
    if _is_revision(root, rev):
        return _at_revision(root, rev, folder or RAW, said, scratch)
    if _DIGEST.fullmatch(said):
        return _of_digest(root, said, scratch)
    raise ConfigError(
        f"{said!r} is no path, no revision of git, and no digest. Name a folder such as {RAW}, a revision such as HEAD~1 or "
        "HEAD~1:data/curated/clip, or at least 8 hex digits of a digest, such as source.json has."
    )


def _is_revision(root: Path, rev: str) -> bool:
    command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}"]
    return bool(rev) and subprocess.run(command, cwd=root, capture_output=True, check=False).returncode == 0


def _at_revision(root: Path, rev: str, folder: str, said: str, scratch: Path) -> Version:
    """Return what a folder, or a manifest of another name, was at a revision, copied to `scratch`."""
    from dvc.exceptions import DvcException
    from dvc_data.index import DataIndexDirError

    path = PurePosixPath(folder)
    if path.is_absolute() or ".." in path.parts:
        raise ConfigError(f"{said!r} leads out of the workspace. Name a folder of it, such as {rev}:{RAW}.")
    wanted = path if path.suffix else path / "manifest.parquet"
    try:
        files = _files(root, rev)
        if not _tracked(_outs_at(root, rev), wanted) and not files.exists(str(wanted)):
            raise DataError(
                f"{rev} has no {wanted}: dvc.lock did not know it then. Commit dvc.lock after a run, or name another revision."
            )
        files.get_file(str(wanted), str(scratch / wanted.name))
        for name in _BESIDE:
            if files.exists(str(wanted.with_name(name))):
                files.get_file(str(wanted.with_name(name)), str(scratch / name))
    except (DvcException, DataIndexDirError, OSError) as err:
        raise DataError(
            f"the manifest of {said} is neither in DVC's cache nor in a remote ({err}). Fetch it where it is kept: "
            "dvc fetch --all-commits"
        ) from err
    return Version.at(scratch / wanted.name, said)


def _files(root: Path, rev: str) -> Any:
    from dvc.api import DVCFileSystem

    return DVCFileSystem(url=str(root), rev=rev, config={"core": {"site_cache_dir": str(private(root, "dvc"))}})


def _of_digest(root: Path, digest: str, scratch: Path) -> Version:
    """Return the version of which a digest begins so, in the workspace or in what git has of dvc.lock."""
    known: dict[str, str] = {}
    for folder in (path for pattern in _FOLDERS for path in sorted(root.glob(pattern))):
        if (folder / "manifest.parquet").is_file():
            found, name = _digest_in(folder), folder.relative_to(root).as_posix()
            if found.startswith(digest):
                return Version.at(folder, f"{name} ({digest[:12]})")
            known[name] = found
    for rev, found in _past(root):
        if found.startswith(digest):
            return _at_revision(root, rev, RAW, f"{rev[:10]} ({digest[:12]})", scratch)
        known[f"{rev[:10]}:{RAW}"] = found
    listed = ", ".join(f"{its[:12]} ({name})" for name, its in known.items()) or "none"
    raise DataError(
        f"no snapshot or selection with the digest {digest[:12]} is in this workspace, or in what git has of its past; there is "
        f"{listed}. If somebody else made it, fetch their commit and its data: git fetch, dvc fetch."
    )


def _digest_in(folder: Path) -> str:
    """Return the digest of the manifest's rows."""
    return snapshot_digest(read_manifest(folder / "manifest.parquet"))


def _past(root: Path) -> Iterator[tuple[str, str]]:
    """Yield (commit, digest) of each data/raw that dvc.lock ever had, newest first, as far as its source.json can be had."""
    from dvc_data.index import DataIndexDirError

    command = ["git", "log", "--format=%H", "--", "dvc.lock"]
    commits = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout.split()
    seen = set()
    for commit in commits:
        md5 = next((out.get("md5") for out in _outs_at(root, commit) if out.get("path") == RAW), None)
        if md5 is None or md5 in seen:
            continue
        seen.add(md5)
        try:
            yield commit, json.loads(_files(root, commit).cat_file(f"{RAW}/source.json"))["digest"]
        except (DataIndexDirError, OSError):
            continue  # neither in the cache nor in a remote: it cannot be compared either


def outs_of(lock: str) -> list[Mapping[str, Any]]:
    """Return all outputs that the text of a dvc.lock names, with `path` and `md5`."""
    stages = (load_yaml(lock) or {}).get("stages", {})
    return [out for stage in stages.values() for out in stage.get("outs", ())]


def _outs_at(root: Path, rev: str) -> list[Mapping[str, Any]]:
    """Return them as dvc.lock was at a revision; none where there was no such file."""
    command = ["git", "show", f"{rev}:./dvc.lock"]
    return outs_of(subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout)


def _tracked(outs: list[Mapping[str, Any]], path: PurePosixPath) -> bool:
    return any(path.is_relative_to(out["path"]) for out in outs)
