"""Stage finetune: `finetuning: null` passes the pre-trained model through, byte for byte."""

import shutil
import sys

from components.contracts.errors import ConfigError
from components.contracts.model_files import MODEL_FILES
from components.recipes.recipe import load_finetuning
from components.stages.runtime import run_stage
from components.stages.stage import Stage


def body(stage: Stage) -> None:
    """Write runs/<recipe>/finetune."""
    recipe = stage.the_recipe
    if load_finetuning(stage.root, recipe) is not None:
        raise ConfigError(
            f"recipe {recipe} has a section finetuning, but there is no fine-tuning strategy yet. Ignoring it would "
            "evaluate the pre-trained weights under its name. Set it to null."
        )
    pretrained = stage.root / f"runs/{recipe}/pretrain"
    with stage.output(f"runs/{recipe}/finetune") as out:
        for done, name in enumerate(MODEL_FILES, 1):
            shutil.copyfile(pretrained / name, out / name)
            stage.progress("passing through", done, len(MODEL_FILES))


if __name__ == "__main__":
    sys.exit(run_stage("finetune", body))
