"""Curves over a resume: they lie in the checkpoint, and whoever draws them is told again what it has."""

from components.training.callbacks import Curves


def test_a_training_that_goes_on_tells_what_the_killed_one_may_not_have_delivered():
    before, told = Curves(1, lambda step, values: None), []
    for step in (1, 3, 2):
        before.add(step, {"train.loss": 1 / step})
    before.add(3, {"val.recall": 0.5})
    after = Curves(1, lambda step, values: told.append((step, dict(values))))
    after.load_state_dict(before.state_dict())
    assert told == [
        (1, {"train.loss": 1.0}), (2, {"train.loss": 0.5}), (3, {"train.loss": 1 / 3, "val.recall": 0.5}),
    ]  # fmt: skip
    assert after.csv() == before.csv()
