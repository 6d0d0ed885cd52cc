"""What a start learnt from, laid into the workspace before other pictures take its place in `data`, so that a race there learns from it again."""

import shutil
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contracts.errors import ConfigError, DataError
from components.finetuning.raced import AUTO, START
from flows.choices import rewrite
from flows.given_start import new_folder

if TYPE_CHECKING:
    import pyarrow as pa

    from components.stages.learnt import Learnt

CONTINUED = "continued"  # as `ways` of a race has it
TAKEN = "taken down"  # as the digest of what a race was to learn from again


def race_with(race: Mapping[str, Any], place: Path, root: Path, here: Path) -> dict[str, Any]:
    """Return what a race is told of what its start learnt from, which is laid in, and by what optimizer; nothing where nobody knows that, or none is asked for.

    Where it is not all there any more, that is told, and nothing is laid in.

    Args:
        race: what is asked for.
        place: the folder or file of the model that was named.
        root: the workspace that it is laid into.
        here: where the command stands: of a run of the workspace around it, and of no other, pictures passed by what may come in here.
    """
    from components.stages.learnt import Learnt, digest_in, laid_at

    unsaid = not {"replay", "recall", "ways"} & set(race)
    goes_on = unsaid or race.get("replay") or CONTINUED in race.get("ways", ())
    if not (goes_on or race.get("recall")):
        return {}
    trained = dict[str, Any]()
    try:
        learnt = Learnt.of(place, root)
        if learnt is None:
            return {}
        if goes_on and learnt.optimisation:
            trained = {"as_trained": _numbers(learnt)}
        laid = laid_at(root, place)
        if "recalled" in race or not (unsaid or race.get("replay") or race.get("recall")) or laid is None:
            return trained
        if not laid.is_dir():
            if not _is_of(learnt, root, here):
                return trained
            with new_folder(laid) as made:
                learnt.lay(made)
    except DataError as err:
        print(
            f"what {place} learnt from is not all there any more, so it is not learnt from again: {err}",
            file=sys.stderr,
        )
        return trained
    return {"recalled": {"name": START, "digest": digest_in(laid)}, **({"replay": AUTO} if unsaid else {}), **trained}


def sentence_of(start: Path, root: Path) -> str:
    """Return that what a start learnt from is at hand, where nobody said what becomes of it."""
    from components.stages.learnt import Learnt, laid_at

    learnt, laid = Learnt.of(start, root), laid_at(root, start)
    assert learnt is not None
    assert laid is not None
    return (
        f"what {start.name} learnt from, of {learnt.selection}, lies in {laid.relative_to(root)}, and is learnt from again where it reads the language of your captions. "
        "--replay 0 learns from yours alone"
    )


def holding(root: Path, pictures: "pa.Table") -> dict[str, int]:
    """Return the folders that were laid in and have some of these pictures, rows of a manifest, from the workspace -> how many; DataError where one cannot be read."""
    import pyarrow.compute as pc

    from components.stages.learnt import MANIFEST

    found = dict[str, int]()
    for folder, rows in laid_in(root):
        name = folder.relative_to(root).as_posix()
        if rows is None:
            raise DataError(
                f"{name}/{MANIFEST} cannot be read, so nobody can tell whether it has them, and nothing was done. Delete {name}: what its model learnt from is then "
                "learnt from no more."
            )
        known = [
            pc.is_in(rows[by], value_set=pictures[by].drop_null().combine_chunks()) for by in ("sha256", "pixel_sha256")
        ]
        if count := pc.sum(pc.or_(*known)).as_py():
            found[name] = count
    return found


def forget(root: Path, folders: Collection[str]) -> None:
    """Remove what was laid in, and have params.yaml say so of races that were to learn from it, which are then run again, and refuse.

    The whole of it goes: without some of its pictures it is not what the model learnt from. Whoever calls holds the workspace.
    """
    from components.stages.learnt import laid_at

    def taken(params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        recipes = params.get("recipes")
        for recipe, begin in recipes.items() if isinstance(recipes, dict) else ():
            recalled = ((begin or {}).get("race") or {}).get("recalled") or {}
            laid = laid_at(root, root / str(begin["start"])) if recalled.get("name") == START else None
            if laid is not None and laid.relative_to(root).as_posix() in folders:
                yield f"recipes.{recipe}.race.recalled.digest", TAKEN

    if folders and (root / "params.yaml").exists():
        rewrite(root, taken)
    for name in folders:
        if (root / name).exists():  # it is gone where a call before was killed after this
            shutil.rmtree(root / name)


def laid_in(root: Path) -> "Iterator[tuple[Path, pa.Table | None]]":
    """Yield the folder of what was laid in of each model, with its rows; None where these cannot be read."""
    from components.data.manifest import read_manifest
    from components.stages.learnt import LEARNT, MANIFEST

    for folder in sorted(path for path in (root / LEARNT).glob("*") if path.is_dir()):
        try:
            yield folder, read_manifest(folder / MANIFEST)
        except DataError:
            yield folder, None


def lines_of(gone: list[str]) -> list[str]:
    """Return what `forget` did, as sentences."""
    return [
        f"{folder} had some of them and is gone: what that model learnt from is learnt from no more" for folder in gone
    ]


def _numbers(learnt: "Learnt") -> dict[str, Any]:
    """Return the numbers of an optimizer as params.yaml has them: those that are not usual."""
    from components.training.numbers import Optimisation

    its = learnt.optimisation
    assert its is not None
    usual = asdict(Optimisation(lr=0.0, weight_decay=0.0))
    said = {
        name: value for name, value in asdict(its).items() if name in ("lr", "weight_decay") or value != usual[name]
    }
    return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}


def _is_of(learnt: "Learnt", root: Path, here: Path) -> bool:
    """Return whether a run is of this workspace, or of that which this one is a copy of for an estimate."""
    from flows.run import find_root

    if learnt.owner is None:
        return False
    owner = learnt.owner.resolve()
    try:
        return owner in (root.resolve(), find_root(here).resolve())
    except ConfigError:
        return owner == root.resolve()
