"""`diptych sign`: vouch for a version that is registered already."""

from pathlib import Path

from components.registry.champion import files_of
from components.registry.signatures import sign
from components.registry.store import open_store
from components.registry.versions import by_label


def sign_label(root: Path, label: str) -> str:
    """Sign the version `clip@3`, whose files are what was registered, in place of whoever signed it before; return one sentence.

    ConfigError where the registry has no such version, StaleArtifact where its files are others.
    """
    store = open_store(root)
    version = by_label(store, label)
    return f"{version.label} is signed, by {sign(store, version.run_id, files_of(version, root, store), root)}."
