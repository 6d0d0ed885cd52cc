"""Negatives by hand, against sentence_transformers', and never one that stands for the right answer."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from components.contracts.directions import Directions
from components.contracts.errors import ConfigError
from components.contracts.gathered import Gathered
from components.objectives.signals.hard_negatives import HardNegatives

GOLDEN = json.loads((Path(__file__).parents[3] / "golden" / "mine_hard_negatives.json").read_text())
# Cosines of 4 pairs, a row a picture; the diagonal is right.
COSINES = torch.tensor([
    [0.80, 0.79, 0.50, 0.10],
    [0.20, 0.60, 0.95, 0.40],
    [0.30, 0.10, 0.90, 0.00],
    [-0.2, -0.6, -0.3, -0.4],
])  # fmt: skip
KNOWN = Directions(image_to_text=COSINES, text_to_image=COSINES.T)
SIDE = torch.zeros(4, 2)


def picked(signal: HardNegatives, image: Gathered | torch.Tensor = SIDE, text: Gathered | torch.Tensor = SIDE):
    rows = signal(image, text, teacher=KNOWN).image_to_text
    return [row.nonzero().flatten().tolist() for row in rows]


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: str(case["asked"]))
def test_they_are_the_peers(case):
    image, text = torch.tensor(GOLDEN["image"]), torch.tensor(GOLDEN["text"])
    mined = HardNegatives(**case["asked"])(image, text).image_to_text
    assert [row.nonzero().flatten().tolist() for row in mined] == case["negatives"]


def test_with_nothing_asked_for_all_wrong_pairs_are_taken():
    assert picked(HardNegatives()) == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({"take": 1}, [[1], [2], [0], [0]]),
        ({"skip": 1, "take": 1}, [[2], [3], [1], [2]]),
        ({"skip": 2}, [[3], [0], [3], [1]]),
        ({"skip": 3, "take": 9}, [[], [], [], []]),
        ({"relative_margin": 0.05}, [[2, 3], [0, 3], [0, 1, 3], [1]]),  # below 0.76, 0.57, 0.855, -0.42
        ({"absolute_margin": 0.3}, [[2, 3], [0], [0, 1, 3], []]),  # at most 0.5, 0.3, 0.6, -0.7
        ({"most": 0.5}, [[2, 3], [0, 3], [0, 1, 3], [0, 1, 2]]),
        ({"relative_margin": 0.05, "skip": 1, "take": 1}, [[3], [0], [1], []]),  # the window is of what the margin left
    ],
)
def test_the_bars_come_first_and_the_window_is_of_what_they_left(asked, wanted):
    assert picked(HardNegatives(**asked)) == wanted


def test_the_other_direction_has_its_own():
    rows = HardNegatives(take=1)(SIDE, SIDE, teacher=KNOWN).text_to_image
    assert [row.nonzero().flatten().tolist() for row in rows] == [[2], [0], [1], [1]]  # text 1: 0.79 of picture 0


def test_of_several_right_answers_the_least_near_sets_the_bar():
    text = Gathered(local=torch.zeros(4, 2), all=torch.zeros(4, 2), owner=torch.tensor([0, 0, 1, 2]))
    image = torch.zeros(3, 2)
    cosines = torch.tensor([[0.9, 0.4, 0.5, 0.3], [0.0, 0.1, 0.8, 0.7], [0.2, 0.2, 0.2, 0.6]])
    said = Directions(image_to_text=cosines, text_to_image=cosines.T)
    mined = HardNegatives(relative_margin=0.0)(image, text, teacher=said).image_to_text
    assert mined.int().tolist() == [[0, 0, 0, 1], [1, 1, 0, 1], [1, 1, 1, 0]]


def labelled(label: list[int] | None, owner: list[int] | None = None) -> Gathered:
    rows = torch.zeros(4, 2)
    to = [None if one is None else torch.tensor(one) for one in (label, owner)]
    return Gathered(local=rows, all=rows, label=to[0], owner=to[1])


def test_pictures_of_one_thing_and_equal_captions_are_never_negatives():
    of_one_thing = picked(HardNegatives(), labelled([7, 1, 7, 2]), labelled(None))
    said_alike = picked(HardNegatives(), labelled(None), labelled([7, 1, 7, 2]))
    assert of_one_thing == said_alike == [[1, 3], [0, 2, 3], [1, 3], [0, 1, 2]]
    both = picked(HardNegatives(), labelled([7, 1, 7, 2]), labelled([0, 5, 6, 5]))
    assert both == [[1, 3], [0, 2], [1, 3], [0, 2]]


def test_captions_of_a_picture_stand_for_those_that_say_the_same():
    """Samples have 2, 1 and 1 captions; the second of the first says what the third's says."""
    text = labelled([1, 2, 3, 2], owner=[0, 0, 1, 2])
    image = replace(labelled(None), local=torch.zeros(3, 2), all=torch.zeros(3, 2))
    mined = HardNegatives()(image, text)
    assert mined.image_to_text.int().tolist() == [[0, 0, 1, 0], [1, 1, 0, 1], [1, 0, 1, 0]]
    assert mined.text_to_image.int().tolist() == [[0, 1, 1], [0, 1, 0], [1, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"skip": -1}, "skip is -1"), ({"take": 0}, "take is 0"), ({"relative_margin": 1.0}, "relative_margin is 1.0"),
        ({"absolute_margin": -0.1}, "absolute_margin is -0.1"), ({"most": 1.5}, "most is 1.5"),
        ({"relative_margin": float("nan")}, "relative_margin is nan"),
    ],
)  # fmt: skip
def test_numbers_that_mean_nothing_are_refused(numbers, said):
    with pytest.raises(ConfigError, match=said):
        HardNegatives(**numbers)
