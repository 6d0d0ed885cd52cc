"""Locked-image tuning: of whichever text side there is all trains, and of pictures nothing."""

from torch import nn

from components.finetuning.locked import LockedImage


def test_all_of_the_text_side_trains_and_no_more(clip):
    freeze = LockedImage().prepare(clip.model)
    trained = {name for name, _ in clip.model.named_parameters() if freeze.is_trained(name)}
    assert trained == {name for name, _ in clip.model.named_parameters() if not name.startswith("image")}


def test_a_text_tower_without_a_projection_is_tuned_as_well(clip):
    """As open_clip has it where proj_type is none."""
    clip.model.text_projection = nn.Identity()
    freeze = LockedImage().prepare(clip.model)
    assert any(freeze.is_trained(name) for name, _ in clip.model.named_parameters() if name.startswith("text."))
