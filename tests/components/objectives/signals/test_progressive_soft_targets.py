"""Targets that grow softer: property 1 of seed 52, and how wrong pairs share their part.

Axes: B pairs, D shared width.
"""

import pytest
import torch

from components.contracts.errors import ConfigError
from components.contracts.gathered import Gathered
from components.contracts.method import Clock
from components.objectives.signals.progressive_soft_targets import ProgressiveSoftTargets
from components.objectives.softmax import SoftmaxLoss

PAIRS, WIDTH, TOTAL = 5, 6, 20
DRAW = torch.Generator().manual_seed(52)
IMAGE, TEXT = (torch.randn(PAIRS, WIDTH, generator=DRAW) for _ in range(2))


def at(step: int) -> Clock:
    return Clock(step=step, total_steps=TOTAL, epoch=0)


@pytest.mark.parametrize("weighting", ["uniform", "similarity"])
@pytest.mark.parametrize("step", [0, 7, TOTAL])
def test_rows_sum_to_one_at_all_times(weighting, step):
    targets = ProgressiveSoftTargets(0.2, weighting=weighting)(IMAGE, TEXT, clock=at(step))
    for rows in (targets.image_to_text, targets.text_to_image):
        torch.testing.assert_close(rows.sum(1), torch.ones(PAIRS))
        torch.testing.assert_close(rows.diagonal(), torch.full((PAIRS,), 1 - 0.2 * step / TOTAL))
        assert not rows.requires_grad


def test_with_nothing_softened_it_is_infonce():
    scale, loss = torch.tensor(7.0), SoftmaxLoss()
    for step, most in ((0, 0.2), (9, 0.0)):
        targets = ProgressiveSoftTargets(most)(IMAGE, TEXT, clock=at(step))
        assert torch.equal(targets.image_to_text, torch.eye(PAIRS))
        torch.testing.assert_close(loss(IMAGE, TEXT, scale, targets=targets), loss(IMAGE, TEXT, scale))


def test_the_softened_part_rises_to_its_most_and_never_falls():
    rising = ProgressiveSoftTargets(0.2, ramp=0.5)
    shares = [rising.share(at(step)) for step in range(TOTAL + 1)]
    assert shares[0] == 0
    assert shares == sorted(shares)
    assert shares[5] == pytest.approx(0.1)
    assert shares[10:] == pytest.approx([0.2] * 11)


def test_wrong_pairs_share_alike_or_by_how_near_they_are():
    even = ProgressiveSoftTargets(0.2, ramp=0.0)(IMAGE, TEXT).image_to_text
    assert even[0].tolist() == pytest.approx([0.8, *[0.05] * 4])
    near = ProgressiveSoftTargets(0.2, ramp=0.0, weighting="similarity", temperature=0.5)(IMAGE, TEXT)
    cosines = torch.nn.functional.cosine_similarity(IMAGE[:, None], TEXT[None], dim=2)
    wanted = 0.2 * (cosines[0, 1:] / 0.5).softmax(0)
    torch.testing.assert_close(near.image_to_text[0, 1:], wanted)
    torch.testing.assert_close(
        near.text_to_image[1:, 0], 0.2 * (cosines.T / 0.5).fill_diagonal_(-torch.inf).softmax(1)[1:, 0]
    )


def test_a_caption_that_two_pictures_have_is_given_more_than_one_that_is_far():
    twice = TEXT.clone()
    twice[1] = twice[0]
    rows = ProgressiveSoftTargets(0.2, ramp=0.0, weighting="similarity")(twice + 0.1 * IMAGE, twice).image_to_text
    assert rows[0, 1] > 0.19
    assert rows[1, 0] > 0.19


def test_several_captions_of_a_picture_share_its_part():
    owner = torch.tensor([0, 0, 1, 2, 3, 4])
    texts = Gathered(local=torch.randn(6, WIDTH), all=torch.randn(6, WIDTH), owner=owner)
    targets = ProgressiveSoftTargets(0.2, ramp=0.0)(IMAGE, texts)
    assert targets.image_to_text[0].tolist() == pytest.approx([0.4, 0.4, *[0.05] * 4])
    assert targets.text_to_image[1].tolist() == pytest.approx([0.8, *[0.05] * 4])


def test_a_ramp_without_a_clock_is_refused():
    with pytest.raises(ConfigError, match="gives no clock"):
        ProgressiveSoftTargets()(IMAGE, TEXT)


def test_a_batch_of_one_pair_is_refused():
    with pytest.raises(ConfigError, match="no wrong pair"):
        ProgressiveSoftTargets(ramp=0.0)(IMAGE[:1], TEXT[:1])


@pytest.mark.parametrize(
    ("numbers", "said"),
    [({"most": 1.0}, "most is 1"), ({"ramp": 1.5}, "ramp 1.5"), ({"temperature": 0.0}, "temperature is 0")],
)
def test_numbers_that_mean_nothing_are_refused(numbers, said):
    with pytest.raises(ConfigError, match=said):
        ProgressiveSoftTargets(**numbers)
