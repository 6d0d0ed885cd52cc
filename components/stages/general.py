"""The general sets that ship: drawn scenes to find and to tell apart, and handwritten digits, as the recipe `adapted` lists them."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.contracts.asked_set import AskedSet
from components.contracts.progress import Progress
from components.recipes.yaml_lines import read_yaml
from components.stages.asked_sets import of_source as read_source
from components.stages.elsewhere import KS, Halved, of_source

RECIPE = Path(__file__).parents[1] / "recipes/adapted.yaml"


@contextmanager
def general_sets(scratch: Path, progress: Progress) -> Iterator[list[Halved]]:
    """Yield the numbers of these sets that must not fall, in halves; their pictures can be read for as long as the block lasts.

    Args:
        scratch: a folder on whose disk they may lie meanwhile; made where it is not there.
        progress: is told.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    listed = read_yaml(RECIPE).values["finetuning"]["init_args"]["sets"]
    with tempfile.TemporaryDirectory(dir=scratch, prefix="general-") as place:
        found: list[Halved] = []
        for name, said in listed.items():
            read = read_source(AskedSet(**said), RECIPE.parent, Path(place) / name, KS, progress)
            found += of_source(name, read.whole, read.evaluators)
        yield found
