"""Stage finetune: `finetuning: null` passes the pre-trained model through, byte for byte."""

import shutil
import sys

from components.contracts.errors import ConfigError
from components.recipes.params import load_params
from components.recipes.recipe import load_recipe
from components.recipes.trained import FILES
from components.stages.runtime import run_stage
from components.stages.stage import Stage


def body(stage: Stage) -> None:
    """Write runs/<recipe>/finetune."""
    recipe = load_recipe(stage.root, stage.the_recipe, load_params(stage.root).scale)
    if recipe.finetuning is not None:
        raise ConfigError(
            f"recipe {recipe.name} has a section finetuning, but there is no fine-tuning strategy yet. Ignoring it would "
            "evaluate the pre-trained weights under its name. Set it to null."
        )
    pretrained = stage.root / f"runs/{recipe.name}/pretrain"
    with stage.output(f"runs/{recipe.name}/finetune") as out:
        for done, name in enumerate(FILES, 1):
            shutil.copyfile(pretrained / name, out / name)
            stage.progress("passing through", done, len(FILES))


if __name__ == "__main__":
    sys.exit(run_stage("finetune", body))
