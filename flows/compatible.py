"""`diptych run --compatible-with clip@champion`: the version whose index is to be searched is laid into `models`, where the stages find it."""

import json
import shutil
from pathlib import Path

from components.contracts.model_files import COMPATIBLE, MODEL_FILES
from components.contracts.sealed import sha256_of
from components.registry.champion import files_of
from components.registry.store import open_store
from components.registry.versions import by_label
from flows.given_start import MODELS, new_folder


def lay_in(said: str, root: Path) -> str:
    """Return the folder, from the workspace, with the four files of a version such as clip@3 or clip@champion, and what names it and its space.

    Laid in, and not read where it lies: a run of this workspace would be another model by then. Raises ConfigError where the registry has no
    such version, StaleArtifact where its files are not those that were registered.
    """
    from components.serving.package import Package  # imports what a run without it need not

    store = open_store(root)
    version = by_label(store, said)
    package = Package.verify(files_of(version, root, store))
    place = Path(MODELS) / f"{version.label.replace('@', '-')}-{package.digest[:8]}"
    if not (root / place / COMPATIBLE).exists():
        with new_folder(root / place) as made:
            made.mkdir()
            for file in MODEL_FILES:
                shutil.copyfile(package.path / file, made / file)
            known = {"label": version.label, "digest": package.digest, "space": package.space}
            files = {file: sha256_of(made / file) for file in MODEL_FILES}
            (made / COMPATIBLE).write_text(json.dumps({**known, "files": files}, indent=2) + "\n", encoding="utf-8")
    return place.as_posix()
