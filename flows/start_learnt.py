"""What a start learnt from, laid in beside it in `models`, so that a race of the workspace learns from it again after other pictures took its place in `data`."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contracts.errors import DataError
from flows.given_start import MODELS, new_folder

if TYPE_CHECKING:
    import pyarrow as pa

CONTINUED = "continued"  # as `ways` of a race has it


def race_with(race: Mapping[str, Any], place: Path, laid: Path) -> dict[str, Any]:
    """Return what a race is told of what its start learnt from, which is laid in; nothing where nobody knows that, or it is asked for another.

    Where it is not all there any more, that is told, and nothing is laid in.

    Args:
        race: what is asked for.
        place: the folder or file of the model that was named.
        laid: the folder in `models` that it was laid into.
    """
    from components.finetuning.raced import AUTO, START
    from components.stages.learnt import LEARNT, Learnt, digest_in

    unsaid = not {"replay", "recall", "ways"} & set(race)
    asked = unsaid or race.get("replay") or race.get("recall") or CONTINUED in race.get("ways", ())
    if "recalled" in race or not asked:
        return {}
    if not (laid / LEARNT).is_dir():
        try:
            learnt = Learnt.of(place)
            if learnt is None:
                return {}
            with new_folder(laid / LEARNT) as made:
                learnt.lay(made)
        except DataError as err:
            print(
                f"what {place} learnt from is not all there any more, so it is not learnt from again: {err}",
                file=sys.stderr,
            )
            return {}
    return {"recalled": {"name": START, "digest": digest_in(laid / LEARNT)}, **({"replay": AUTO} if unsaid else {})}


def sentence_of(laid: Path) -> str:
    """Return that what lies beside a model is learnt from again where nobody said so."""
    from components.stages.learnt import LEARNT, Learnt

    learnt = Learnt.of(laid)
    assert learnt is not None
    return f"{learnt.count:,} pictures of {learnt.selection}, of which {laid.name} learnt, lie in {MODELS}/{laid.name}/{LEARNT}, and are learnt from again. --replay 0 learns from yours alone"


def forget(root: Path, pictures: "pa.Table") -> list[str]:
    """Remove what was laid in beside a model and has one of these pictures, rows of a manifest; return the folders, from the workspace.

    The whole of it goes: without some of its pictures it is not what the model learnt from.
    """
    import pyarrow.compute as pc

    from components.data.manifest import read_manifest
    from components.stages.learnt import LEARNT, MANIFEST

    gone = []
    for path in sorted(root.glob(f"{MODELS}/*/{LEARNT}/{MANIFEST}")):
        rows = read_manifest(path)
        known = [
            pc.is_in(rows[name], value_set=pictures[name].drop_null().combine_chunks())
            for name in ("sha256", "pixel_sha256")
        ]
        if pc.any(pc.or_(*known)).as_py():
            shutil.rmtree(path.parent)
            gone.append(path.parent.relative_to(root).as_posix())
    return gone


def lines_of(gone: list[str]) -> list[str]:
    """Return what `forget` did, as sentences."""
    return [
        f"{folder} had some of them and is gone: what that model learnt from is learnt from no more" for folder in gone
    ]
