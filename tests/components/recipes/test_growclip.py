"""The recipe `growclip`: two known steps, and a smaller start that is grown into it."""

import json
from pathlib import Path

import pytest
import torch

from components.contracts.errors import ConfigError
from components.contracts.inherit import Inherit
from components.data.transforms.preprocess import Preprocess
from components.models.dual_encoder import DualEncoder
from components.recipes.params import Begin
from components.recipes.recipe import load_recipe
from components.recipes.section import build
from components.recipes.started import beginning
from components.recipes.trained import save_trained
from components.recipes.yaml_lines import overlay
from tests.golden.make_clip_debug import STEPS, first_losses
from tests.squares import REPOSITORY, SIDE, described_at_debug, method_at_debug

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "growclip_debug.json").read_text())


def test_the_first_steps_lose_what_they_lost(vocabulary):
    losses = first_losses(method_at_debug(vocabulary, "growclip"), vocabulary, name="growclip")
    assert len(losses) == STEPS
    assert losses[0] == pytest.approx(GOLDEN["losses"][0], rel=1e-5)  # as of `clip`: see test_clip.py
    assert losses[1] == pytest.approx(GOLDEN["losses"][1], rel=2e-3)


def test_a_smaller_start_grows_into_the_recipe_and_without_inherit_is_refused(vocabulary, tmp_path):
    small = overlay(described_at_debug(vocabulary, "growclip"), {"init_args": {"text": {"init_args": {"depth": 1}}}})
    torch.manual_seed(0)
    method = build(small, DualEncoder)
    folder = tmp_path / "runs/clip/pretrain"
    folder.mkdir(parents=True)
    save_trained(folder, method, small, vocabulary, Preprocess(size=SIDE, trim=True))
    recipe = load_recipe(REPOSITORY, "growclip", "debug")
    made = beginning(tmp_path, Begin(start="runs/clip/pretrain"), recipe, SIDE, ["a caption"])
    model = build(made.described, DualEncoder)
    assert recipe.training.inherit == Inherit()
    told = made.start.give(model, "growclip", recipe.training.inherit)
    assert {name.rpartition("blocks.1.")[0] for name in told.inserted} == {"text."}
    assert all(torch.equal(model.state_dict()[name], value) for name, value in method.state_dict().items())
    with pytest.raises(ConfigError, match=r"does not fit the model of growclip: it lacks text\.blocks\.1"):
        made.start.give(model, "growclip")
