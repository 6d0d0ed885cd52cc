"""`diptych data reinforce`: what teachers say of a recipe's samples, written once beside the shards."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from flows.data.check import Told

FOLDER = Path("data/reinforced")


def data_reinforce(
    root: Path,
    here: Path,
    recipe: str,
    teachers: Sequence[str],
    count: int,
    captions: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Write side shards and print what a recipe says to learn from them.

    Relative paths start at `here`; without `out` they lie in data/reinforced/<recipe>. What was written before, and whole, is not
    written again. Raises ConfigError, DataError or OSError as `components.stages.reinforcing.reinforce` does.
    """
    from components.stages.reinforcing import Reinforcing, reinforce

    folder = here / out if out else root / FOLDER / recipe
    asked = Reinforcing(recipe=recipe, teachers=teachers, count=count, captions=captions)
    digest = reinforce(root, here, asked, folder, Told(sys.stderr, stage="reinforce"))
    side = folder.resolve().relative_to(root.resolve()) if folder.resolve().is_relative_to(root.resolve()) else folder
    if as_json:
        print(json.dumps({"side": str(side), "digest": digest}))
        return
    print(f"side shards {digest[:12]} in {folder}\nto learn from them, in the recipe's training:")
    print(f'  reinforce: {{side: {side}, digest: "{digest[:12]}"}}')
