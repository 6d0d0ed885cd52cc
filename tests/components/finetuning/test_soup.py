"""A soup is the mean of what does no harm: on weights that are one number, so that the order can be followed by eye."""

import pytest
import torch

from components.contracts.errors import ConfigError
from components.finetuning.soup import greedy, mean


def weights(value: float) -> dict[str, torch.Tensor]:
    return {"w": torch.tensor([float(value)]), "count": torch.tensor(int(value))}


def near(wanted: float):
    """Score weights by how near they are."""
    return lambda its: -abs(float(its["w"]) - wanted)


def candidates(*values: float, wanted: float) -> list[tuple[str, float, dict[str, torch.Tensor]]]:
    return [(f"{value:g}", near(wanted)(weights(value)), weights(value)) for value in values]


def test_what_helps_is_taken_in_and_what_harms_is_not():
    """Wanted is 4: 3 alone is 1 off, with 6 it is 4.5 and 0.5 off, with 8 as well 5.67 off, so 8 stays out; 1 brings it to 3.33, worse than 0.5."""
    soup = greedy(candidates(1, 8, 3, 6, wanted=4), near(4))
    assert soup.names == ("3", "6")
    assert float(soup.weights["w"]) == 4.5
    assert soup.score == -0.5
    assert int(soup.weights["count"]) == 3, "whole numbers are the best one's"


def test_what_changes_nothing_is_taken_in_as_in_the_paper():
    assert greedy(candidates(3, 3, wanted=4), near(4)).names == ("3", "3")


def test_what_is_worse_by_a_tie_alone_is_taken_in():
    three = candidates(3, 3.001, wanted=3)
    assert greedy(three, near(3)).names == ("3",)
    assert greedy(three, near(3), within=0.001).names == ("3", "3.001")


def test_one_that_nothing_helps_is_itself_to_the_last_bit():
    one = candidates(3.3, 100, wanted=3.3)
    soup = greedy(one, near(3.3))
    assert soup.names == ("3.3",)
    assert soup.weights is one[0][2]


def test_the_mean_is_taken_widely():
    small = {"w": torch.tensor([1.0], dtype=torch.bfloat16)}
    large = {"w": torch.tensor([1.0078125], dtype=torch.bfloat16)}
    assert mean([small, large, large, large])["w"].dtype == torch.bfloat16
    assert float(mean([small, large, large, large])["w"]) == 1.0078125


def test_tunings_that_add_something_have_no_mean():
    with pytest.raises(ConfigError, match="extra is in some of the weights and not in others"):
        mean([weights(1), {**weights(1), "extra": torch.zeros(1)}])
