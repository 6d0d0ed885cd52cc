"""`diptych adapt PICTURES --from MODEL` in a workspace: the model is laid into `models`, params.yaml says what to do, and the main job does it.

So what comes of it is a version of the registry, judged, served and reported as any other, and a run that was stopped goes on.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError, DiptychError
from components.contracts.model_files import MODEL, MODEL_FILES, WEIGHTS
from components.contracts.sealed import sha256_of
from components.stages.place import private
from flows.choices import Choices, choose

RECIPE, MODELS, SETS, MICRO = "adapted", "models", "data/sets", "micro_clip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """What is asked for.

    Args:
        data: the pictures, as `diptych run --data` takes them.
        start: the folder or file of a model, hf-hub:OWNER/NAME, a version such as clip@3, or micro_clip.
        sets: folders in CLIP_benchmark's layout on which it must not get worse.
        race: numbers of the race, such as `budget_s`.
        numbers: `seed=3` and the like, as `diptych run --set` takes them.
        network: whether a model that is named hf-hub:OWNER/NAME may be fetched.
    """

    data: str
    start: str
    sets: Sequence[Path] = ()
    race: dict[str, Any] = field(default_factory=dict)
    numbers: Sequence[str] = ()
    network: bool = False


def adapt_here(asked: Here, root: Path, here: Path) -> None:
    """Adapt, register, judge and serve; print what came of it and where it is.

    Raises ConfigError, DataError or CapabilityError for what cannot be read, before params.yaml changes; else as of a run.
    """
    from rich.console import Console

    from flows.run import run
    from flows.summary import show_end

    start = laid_in(asked.start, root, here, asked.network)
    sets = {folder.name: {"path": set_in(folder, root)} for folder in asked.sets}
    held = {name: {**one, "digest": digest_in(root / one["path"])} for name, one in sets.items()}
    race = {**asked.race, **({"sets": held} if held else {})}
    choices = Choices(recipe=RECIPE, data=asked.data, numbers=asked.numbers, start=start, race=race, sets=sets)
    if changed := choose(root, choices, here):
        print(f"params.yaml now says {'; '.join(changed)}", flush=True)
    shipped, worked = run(root, RECIPE, checked=bool(changed))
    show_end(root, RECIPE, shipped, Console(), "Done." if worked else "Nothing to do: everything is up to date.")
    print(advice_of(root))


def advice_of(root: Path) -> str:
    """Return what came of it in a sentence, as the package says it."""
    manifest = json.loads((root / "runs" / RECIPE / "package/manifest.json").read_text(encoding="utf-8"))
    return str(manifest["advice"])


def laid_in(said: str, root: Path, here: Path, network: bool = False) -> str:
    """Return the folder in `models` with the four files of a model, from the workspace; made where it is not there.

    Laid in, and not read where it lies: a run of this workspace, taken as a start, would be made again from the pictures that it is adapted to.
    """
    if said == MICRO:
        return _copied(micro_clip(root), root, MICRO)
    if "@" in said and not said.startswith("hf-hub:") and not (here / said).exists():
        from components.registry.champion import files_of
        from components.registry.store import open_store
        from components.registry.versions import by_label

        store = open_store(root)
        return _copied(files_of(by_label(store, said), root, store), root, said.replace("@", "-"))
    from components.recipes.hub import model_place

    place = model_place(said, here, network)
    if not place.exists():
        raise ConfigError(
            f"--from {said}: there is nothing there. Give the folder or file of a model of open_clip, of transformers or of ours, hf-hub:OWNER/NAME, a "
            f"version of the registry such as clip@3, or {MICRO}."
        )
    name = place.resolve().name if place.is_dir() else place.resolve().parent.name
    if (place / "adapted.json").is_file() and (place / "model" / MODEL).is_file():
        place = place / "model"
    if (place / MODEL).is_file():
        return _copied(place, root, name)
    return _imported(place, root, name)


def _copied(folder: Path, root: Path, name: str) -> str:
    """Return the folder of a copy, which is known by its weights."""
    missing = [file for file in MODEL_FILES if not (folder / file).is_file()]
    if missing:
        raise ConfigError(f"{folder} lacks {', '.join(missing)}, so it holds no model of ours. Name another.")
    place = Path(MODELS) / f"{name}-{sha256_of(folder / WEIGHTS)[:8]}"
    if not (root / place).exists():
        with new_folder(root / place) as made:
            made.mkdir()
            for file in MODEL_FILES:
                shutil.copyfile(folder / file, made / file)
    return place.as_posix()


@contextmanager
def new_folder(place: Path) -> Iterator[Path]:
    """Yield where to write a folder that becomes `place` when the block ends well; what a process that was killed leaves lies aside, where nobody reads it."""
    place.parent.mkdir(exist_ok=True)
    root = place.parents[1] if place.parent.name == MODELS else place.parents[2]
    with tempfile.TemporaryDirectory(dir=private(root, "tmp")) as scratch:
        yield (made := Path(scratch) / place.name)
        made.rename(place)


def _imported(place: Path, root: Path, name: str) -> str:
    """Return the folder of a model of theirs, made one of ours."""
    from components.recipes.given_model import library_of
    from components.recipes.interop import import_model

    with tempfile.TemporaryDirectory(dir=private(root, "tmp")) as scratch:
        import_model(place, library_of(place), ours := Path(scratch) / name)
        return _copied(ours, root, name)


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


def set_in(folder: Path, root: Path) -> str:
    """Return where a set lies in data/sets, from the workspace; laid there where it lies elsewhere, without taking room where the disk is one."""
    place = Path(SETS) / folder.name
    digest = digest_in(folder)
    if not (root / place).exists():
        with new_folder(root / place) as made:
            shutil.copytree(folder, made, copy_function=_linked)
    elif digest_in(root / place) != digest:
        raise ConfigError(
            f"--set {folder}: {place} is another set of that name. Rename the folder, or take the other away."
        )
    return place.as_posix()


def digest_in(folder: Path) -> str:
    """Return the first digits of the digest of a set, by which a race knows it."""
    from components.data.evaluation_set import read_set

    return read_set(folder).digest[:12]


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copy2(source, target)
