"""How a model was fine-tuned, in words that hold whatever came of it."""

import pytest

from components.evaluation.wording import tuning

TUNED = {"strategy": "LockedImage", "steps": 1100, "alpha": 0.25, "alphas": [0.0, 0.25, 1.0]}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "LockedImage for 1,100 steps, then alpha 0.25 between the weights before (0) and after (1), chosen on val"),
        ({"alpha": 0.5, "alphas": [0.5]}, "LockedImage for 1,100 steps, then alpha 0.5 between the weights before (0) and "
         "after (1), as the recipe says"),
        ({"alpha": 0.0}, "LockedImage for 1,100 steps, and none of it kept (chosen on val): these are the pre-trained weights"),
    ],
)  # fmt: skip
def test_it_says_what_was_done_and_who_chose(changed, said):
    assert tuning({**TUNED, **changed}) == said


def test_a_model_that_passed_through_was_not_tuned():
    assert tuning(None) == "no"
