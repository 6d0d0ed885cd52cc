"""The files of a version: in the workspace where they are still those, else fetched from the store and checked."""

from pathlib import Path

from components.contracts.errors import StaleArtifact
from components.contracts.sealed import check_files, read_sealed
from components.registry.copies import attempt, placed, used
from components.registry.store import Store, open_store, store_errors
from components.registry.versions import ModelVersion


def files_of(version: ModelVersion, root: Path, store: Store | None = None, own: bool = True) -> Path:
    """Return the folder of a version's package, every file checked against its manifest by sha256.

    It is the workspace's own package where that has this digest; else a copy in .diptych/versions, of which the last used ones stay.

    Args:
        own: whether the workspace's own package will do. It may be the same model made anew, whose manifest says of other runs of its stages.

    Raises StaleArtifact when what the store has is not what was registered.
    """
    for folder in (*([root / "runs" / version.name / "package"] if own else []), _copy(root, version)):
        if _is_whole(folder, version):
            return used(folder) if folder.parent == _copy(root, version).parent else folder
    store = store or open_store(root)
    target = _copy(root, version)
    with attempt(target) as folder:
        with store_errors(store.uri):
            fetched = Path(store.client.download_artifacts(version.run_id, "package", str(folder)))
        if _digest(fetched) != version.digest:
            raise StaleArtifact(
                f"the store's files of {version.label} are not those that were registered. Nothing was deployed. "
                f"Serve another version: diptych promote {version.name}@N --because REASON"
            )
        check_files(fetched, read_sealed(fetched)["files"])
        return placed(fetched, target, lambda folder: _is_whole(folder, version))


def _is_whole(folder: Path, version: ModelVersion) -> bool:
    """Return whether a folder is the version's package, no file of which has changed since."""
    if _digest(folder) != version.digest:
        return False
    try:
        check_files(folder, read_sealed(folder)["files"])
    except StaleArtifact:  # the store has what was registered
        return False
    return True


def _copy(root: Path, version: ModelVersion) -> Path:
    return root / ".diptych" / "versions" / version.digest[:16]


def _digest(folder: Path) -> str | None:
    try:
        return str(read_sealed(folder)["digest"])
    except StaleArtifact:
        return None
