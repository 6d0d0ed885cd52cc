"""Measure a package again, on the data of today: `python -m components.stages.rescore --recipe clip --package FOLDER --out FOLDER`.

No stage of dvc.yaml: a champion is no output of the workspace, and what is found is used once, to hold a challenger against it. The
questions are the recipe's of today; the texts by which groups are asked for are those of today's training samples.
"""

import argparse
import sys
from pathlib import Path

from components.contracts.errors import DiptychError, explained
from components.contracts.progress import silent
from components.evaluation.kept import write
from components.recipes.params import load_params
from components.recipes.recipe import load_recipe
from components.stages.evaluate import measured, pools_of
from components.stages.stage import Stage


def rescore(root: Path, recipe: str, package: Path, out: Path) -> None:
    """Write to `out`, a new folder, what the stage evaluate writes, of the model of a package."""
    params = load_params(root)
    loaded = load_recipe(root, recipe, params.scale)
    stage = Stage(root=root, name="rescore", recipe=recipe, progress=silent)
    out.mkdir(parents=True)
    write(measured(stage, loaded, params.seed, package, pools_of(root, recipe)), out)


def main() -> int:
    """Return the exit code; the last line of stderr says what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", required=True)
    for name in ("package", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    asked = parser.parse_args()
    try:
        rescore(Path.cwd(), asked.recipe, asked.package, asked.out)
    except (DiptychError, OSError) as err:
        print(explained(err) if isinstance(err, OSError) else err, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
