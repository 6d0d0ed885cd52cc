"""Where the model lies that `--from` names, and how it is laid into `models` of a workspace."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.contracts.errors import ConfigError, DiptychError
from components.contracts.model_files import ADAPTED, MODEL, MODEL_FILES, WEIGHTS, model_digest
from components.contracts.sealed import sha256_of
from components.recipes.hub import SCHEME
from components.recipes.starts import made_by
from components.stages.place import private

MODELS, MICRO = "models", "micro_clip"


def laid_in(place: Path, name: str, root: Path) -> str:
    """Return the folder in `models` with the four files of a model, from the workspace; made where it is not there.

    Laid in, and not read where it lies: a run of this workspace, taken as a start, would be made again from the pictures that it is adapted to.

    Args:
        place, name: as of `given_start`.
    """
    return _copied(place, root, name) if (place / MODEL).is_file() else _imported(place, root, name)


def start_in(said: str, root: Path, here: Path) -> tuple[str, bool]:
    """Return where in the workspace a model lies that a recipe is to begin from, and whether it brings an architecture that is no recipe's.

    What a stage makes, and a folder of ours in the workspace, stays where it is; all else that `given_start` takes is laid in. What is nothing of these is
    returned as it is, for whoever reads params.yaml to refuse. Errors as of `given_start`, which fetches nothing here.
    """
    inside, outside = root / said, here / said
    if made_by(said) or (inside.is_dir() and ((inside / MODEL).is_file() or not any(inside.iterdir()))):
        return said, False
    is_version = "@" in said and "/" not in said
    if not (said == MICRO or is_version or said.startswith(SCHEME) or outside.exists()):
        return said, False
    place, name = given_start(said, here, root=root)
    return laid_in(place, name, root), not (place / MODEL).is_file() or said == MICRO


def given_start(said: str, here: Path, network: bool = False, root: Path | None = None) -> tuple[Path, str]:
    """Return the folder or file of a model, and what it is called.

    Args:
        said: a folder or file from `here`, hf-hub:OWNER/NAME, a version such as clip@3, or micro_clip, which is trained where it is not there.
        network: whether a model of the Hub may be fetched.
        root: the workspace of versions and micro_clip; that around `here` unless given.

    Raises ConfigError for what is not there, and for a version or micro_clip outside of a workspace.
    """
    from flows.run import find_root

    if said == MICRO and not (here / said).exists():
        return micro_clip(root or find_root(here)), MICRO
    if "@" in said and "/" not in said and not (here / said).exists():
        from components.registry.champion import files_of
        from components.registry.store import open_store
        from components.registry.versions import by_label

        store = open_store(root := root or find_root(here))
        return files_of(by_label(store, said), root, store), said.replace("@", "-")
    from components.recipes.hub import model_place

    place = model_place(said, here, network)
    if not place.exists():
        raise ConfigError(
            f"--from {said}: there is nothing there. Give the folder or file of a model of open_clip, of transformers or of ours, hf-hub:OWNER/NAME, a "
            f"version of the registry such as clip@3, or {MICRO}."
        )
    name = (place if place.is_dir() else place.parent).resolve().name  # the Hub's files are links to elsewhere
    if (place / ADAPTED).is_file() and (place / "model" / MODEL).is_file():  # what `diptych adapt --to` left
        place = place / "model"
    return place, name


def micro_clip(root: Path) -> Path:
    """Return the folder of micro_clip, trained where it is not there: in a process of its own, since a flow stays free of torch."""
    command = [sys.executable, "-m", "components.stages.micro_clip"]
    done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise DiptychError(
            f"{MICRO} could not be trained; what it said stands above. Run it alone: {' '.join(command[1:])}"
        )
    lines = [line for line in done.stdout.splitlines() if "/starts/" in line]
    return Path(lines[-1])


@contextmanager
def new_folder(place: Path) -> Iterator[Path]:
    """Yield where to write a folder that becomes `place` when the block ends well; what a process that was killed leaves lies aside, where nobody reads it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    root = place.parents[1] if place.parent.name == MODELS else place.parents[2]
    with tempfile.TemporaryDirectory(dir=private(root, "tmp")) as scratch:
        yield (made := Path(scratch) / place.name)
        made.rename(place)


def _copied(folder: Path, root: Path, name: str) -> str:
    """Return the folder of a copy, which is known by all of its files: the same weights with another tokenizer or transform are another model."""
    if missing := _missing(folder):
        raise ConfigError(f"{folder} lacks {', '.join(missing)}, so it holds no model of ours. Name another.")
    digest = model_digest(folder)
    place, by_weights = (Path(MODELS) / f"{name}-{by[:8]}" for by in (digest, sha256_of(folder / WEIGHTS)))
    if not _missing(root / by_weights) and model_digest(root / by_weights) == digest:
        return by_weights.as_posix()  # as a copy of before is called, which params.yaml names
    if not (root / place).exists():
        with new_folder(root / place) as made:
            made.mkdir()
            for file in MODEL_FILES:
                shutil.copyfile(folder / file, made / file)
    return place.as_posix()


def _missing(folder: Path) -> list[str]:
    return [file for file in MODEL_FILES if not (folder / file).is_file()]


def _imported(place: Path, root: Path, name: str) -> str:
    """Return the folder of a model of theirs, made one of ours."""
    from components.recipes.given_model import library_of
    from components.recipes.interop import import_model

    with tempfile.TemporaryDirectory(dir=private(root, "tmp")) as scratch:
        import_model(place, library_of(place), ours := Path(scratch) / name)
        return _copied(ours, root, name)
