"""What a package says of where it comes from is of the model, and not of the machine it was made on."""

import pytest

from components.stages.package import without_places


@pytest.mark.parametrize(
    ("said", "told"),
    [("/home/somebody/models/b32", "b32"), ("runs/clip/finetune", "runs/clip/finetune"), ("models/b32", "models/b32")],
)
def test_a_start_outside_of_the_workspace_is_told_by_its_name_alone(said, told):
    training = {"steps": 3, "start": {"path": said, "digest": "d" * 64}}
    assert without_places(training) == {"steps": 3, "start": {"path": told, "digest": "d" * 64}}
    assert training["start"]["path"] == said


def test_a_training_from_nothing_is_told_as_it_is():
    assert without_places({"steps": 3}) == {"steps": 3}
