"""Side shards for a recipe: its samples and views, shown to teachers, before it is trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.contracts.errors import ConfigError
from components.contracts.progress import Progress
from components.data.manifest import read_manifest
from components.data.selection import of_split, read_pool
from components.data.side.extra import read_extra
from components.data.side.write import Asked, write_side
from components.recipes.params import load_params
from components.recipes.recipe import load_recipe, load_scale
from components.recipes.teachers import open_teacher
from components.recipes.views import main_views
from components.stages.selected import KEPT


@dataclass(frozen=True, slots=True, kw_only=True)
class Reinforcing:
    """What is asked for.

    Args:
        recipe: whose training samples and views.
        teachers: folders of packages or models, or versions such as clip@3.
        count: views of each picture.
        captions: a table of captions to be added; None for none.
    """

    recipe: str
    teachers: Sequence[str]
    count: int
    captions: Path | None = None


def reinforce(root: Path, here: Path, asked: Reinforcing, out: Path, progress: Progress) -> str:
    """Write side shards of data/curated/<recipe>'s training split to `out`, and return their digest.

    Errors as of `write_side`, `load_recipe` and `open_teacher`.
    """
    params = load_params(root)
    recipe, scale = load_recipe(root, asked.recipe, params.scale), load_scale(root, params.scale)
    if recipe.training.long_captions != "truncate":
        raise ConfigError(
            f"training.long_captions of {recipe.name} is {recipe.training.long_captions}, so parts of captions would be read, but "
            "teachers read each as a whole. Set it to truncate."
        )
    manifest = of_split(read_manifest(root / f"data/curated/{recipe.name}/manifest.parquet"), "train")
    return write_side(
        out,
        Asked(
            pool=read_pool(manifest, root / "data/raw"), shards=manifest["shard"].to_pylist(),
            extra=read_extra(here / asked.captions) if asked.captions else {},
            views=main_views(recipe.training.views, scale.pixels), trim=recipe.training.trim, kept=KEPT,
            count=asked.count, seed=params.seed, teachers=[open_teacher(one, here, root) for one in asked.teachers],
        ),
        progress,
    )  # fmt: skip
