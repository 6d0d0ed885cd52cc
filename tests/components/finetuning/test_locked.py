"""Locked-image tuning: the text side trains, whatever parts it has, and nothing of the picture side does."""

import pytest

from components.finetuning.locked import LockedImage
from components.models.projection import Projection


@pytest.mark.parametrize("kind", ["linear", "none"])
def test_all_of_the_text_side_trains_with_a_projection_or_without_one(clip, kind):
    width = clip.model.text_projection.width_out if kind == "none" else clip.model.text_projection.width_in
    clip.model.text_projection = Projection(width, clip.model.text_projection.width_out, kind=kind)
    freeze = LockedImage().prepare(clip.model)
    names = {name for name, _ in clip.model.named_parameters()}
    assert any(name.startswith("text_projection") for name in names) == (kind == "linear")
    assert {name for name in names if freeze.is_trained(name)} == {
        name for name in names if not name.startswith("image")
    }
