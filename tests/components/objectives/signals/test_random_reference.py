"""Random points of pairs: one for both sides, others at every call, the same from the same draw, and each rank its own."""

import pytest
import torch

from components.contracts.gathered import Gathered
from components.objectives.signals.random_reference import RandomReference

ROWS = torch.zeros(6, 16)


def side(rows=ROWS, **more) -> Gathered:
    return Gathered(**{"local": rows, "all": rows} | more)


def test_both_sides_of_a_pair_have_one_point_and_pairs_have_their_own():
    image, text = RandomReference()(side(), side())
    assert torch.equal(image, text)
    assert len({tuple(row.tolist()) for row in image}) == 6


def test_a_second_call_draws_others_and_a_seed_the_same():
    reference = RandomReference()
    torch.manual_seed(3)
    first, _ = reference(side(), side())
    second, _ = reference(side(), side())
    torch.manual_seed(3)
    again, _ = reference(side(), side())
    assert not torch.equal(first, second)
    assert torch.equal(first, again)


def test_ranks_take_their_own_of_the_batchs_points():
    torch.manual_seed(3)
    whole, _ = RandomReference()(side(), side())
    parts = []
    for offset in (0, 3):
        torch.manual_seed(3)
        rank = Gathered(local=ROWS[offset : offset + 3], all=ROWS, offset=offset, ranks=2)
        parts.append(RandomReference()(rank, rank)[0])
    assert torch.equal(torch.cat(parts), whole)


def test_all_captions_of_a_picture_have_its_point():
    captions = side(torch.zeros(4, 16), owner=torch.tensor([0, 0, 1, 2]))
    image, text = RandomReference()(side(torch.zeros(3, 16), owner=torch.arange(3)), captions)
    assert torch.equal(text, image[[0, 0, 1, 2]])


@pytest.mark.parametrize(("prior", "low", "high"), [("normal", -10.0, 10.0), ("uniform", 0.0, 1.0)])
def test_priors_are_what_they_say(prior, low, high):
    torch.manual_seed(0)
    rows = torch.zeros(500, 64)
    points, _ = RandomReference(prior)(side(rows), side(rows))
    assert points.min() >= low
    assert points.max() <= high
    mean, deviation = (0.0, 1.0) if prior == "normal" else (0.5, 12**-0.5)
    assert points.mean().item() == pytest.approx(mean, abs=0.02)
    assert points.std().item() == pytest.approx(deviation, abs=0.02)
    assert not points.requires_grad
