"""What the stage refuses before it looks at any data."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml

from components.contracts.errors import CapabilityError
from components.contracts.progress import silent
from components.stages import finetune, pretrain
from components.stages.stage import Stage

REPOSITORY = Path(__file__).parents[3]
TUNING = {
    "class_path": "components.finetuning.locked.LockedImage",
    "init_args": {"optimisation": {"lr": 0.01, "weight_decay": 0.1}},
}


@pytest.mark.parametrize("stage", [pretrain, finetune])
def test_numbers_that_the_chip_lacks_are_refused_where_there_is_no_data_yet(stage, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    shutil.copytree(REPOSITORY / "components/recipes", tmp_path / "components/recipes")
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["overrides"] |= {"training": {"precision": "bf16"}, "finetuning": TUNING}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(CapabilityError, match="this chip does not multiply in bf16"):
        stage.body(Stage(root=tmp_path, name="toy", recipe="clip", progress=silent))
