"""What the stage refuses before it looks at any data."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml

from components.contracts.errors import CapabilityError, ConfigError
from components.contracts.progress import silent
from components.stages import finetune, pretrain
from components.stages.stage import Stage
from tests.squares import method_at_debug

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


def test_a_method_that_goes_on_from_a_model_does_not_begin_from_none(vocabulary):
    method = method_at_debug(vocabulary, "clip_refine")
    with pytest.raises(
        ConfigError, match=r"begins from none\. Name one in params\.yaml, such as .*start: runs/clip/pretrain"
    ):
        pretrain.give(None, method, method.model, "clip_refine")


def test_a_method_begins_with_the_weights_that_its_model_has_then(vocabulary):
    class Given:
        path, digest = "runs/clip/pretrain", "0" * 64

        def give(self, model, recipe, how, of):
            with torch.no_grad():
                model.logit_scale.log_scale.fill_(1.5)

    method = method_at_debug(vocabulary, "clip_refine")
    pretrain.give(Given(), method, method.model, "clip_refine")
    assert method.teacher.model.logit_scale.log_scale == 1.5
