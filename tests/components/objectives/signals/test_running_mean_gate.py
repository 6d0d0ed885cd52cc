"""A gate by a running mean: weights by hand, the mean's closed form, pairs that are none, and the three gates over two texts."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from components.contracts.errors import ConfigError
from components.contracts.gathered import Gathered
from components.objectives.signals.consistency import ConsistencyGates
from components.objectives.signals.running_mean_gate import RunningMeanGate

COSINES = torch.tensor([1.0, 0.6, 0.0, -0.8])
ONE = torch.tensor([[2.0, 0.0]]).repeat(4, 1)
OTHER = torch.stack([COSINES, (1 - COSINES**2).sqrt()], 1) * torch.tensor([[1.0], [3.0], [0.5], [2.0]])
"""Rows whose cosines are COSINES, of all lengths."""


def test_weights_fall_with_the_distance_below_a_mean_that_the_batch_has_entered():
    weights = RunningMeanGate(momentum=0.9)(ONE, OTHER)
    mean = 0.9 * 1 + 0.1 * 0.2
    torch.testing.assert_close(weights, torch.exp(2 * (COSINES - mean)).clamp(max=1))
    assert weights[0] == 1


def test_without_a_cap_a_pair_that_fits_well_weighs_more_than_one():
    weights = RunningMeanGate(momentum=0.9, cap=False)(ONE, OTHER)
    assert weights[0].item() == pytest.approx(math.exp(2 * (1 - 0.92)))


def test_the_mean_is_its_closed_form_and_goes_on_after_save_and_load():
    gate, draw = RunningMeanGate(momentum=0.99), torch.Generator().manual_seed(0)
    wanted, steps = 1.0, 7
    for step in range(steps):
        one, other = torch.randn(2, 5, 3, generator=draw)
        wanted += 0.01 * 0.99 ** (-step - 1) * float((normalize(one) * normalize(other)).sum(1).mean())
        if step == 3:
            before, gate = gate, RunningMeanGate(momentum=0.99)
            gate.load_state_dict(before.state_dict())
        gate(one, other)
    assert gate.mean.item() == pytest.approx(0.99**steps * wanted, rel=1e-6)


def test_the_mean_stands_still_outside_of_training():
    gate = RunningMeanGate().eval()
    gate(ONE, OTHER)
    assert gate.mean == 1


def test_a_pair_that_is_none_weighs_one_and_does_not_enter_the_mean():
    gate = RunningMeanGate(momentum=0.0)
    weights = gate(ONE, OTHER, given=torch.tensor([True, True, False, False]))
    assert gate.mean.item() == pytest.approx(0.8)
    assert weights[2:].tolist() == [1, 1]
    gate(ONE, OTHER, given=torch.zeros(4, dtype=torch.bool))
    assert gate.mean.item() == pytest.approx(0.8)


def test_a_row_of_zeros_weighs_as_a_cosine_of_zero():
    gate = RunningMeanGate(momentum=0.0)
    weights = gate(torch.zeros(4, 2), OTHER)
    assert gate.mean == 0
    assert weights.tolist() == [1] * 4


def test_what_is_no_number_gives_a_weight_that_is_none():
    assert not torch.isfinite(RunningMeanGate()(ONE * torch.nan, OTHER)).any()


@pytest.mark.parametrize(
    ("numbers", "said"),
    [({"momentum": 1.0}, "momentum is 1"), ({"momentum": -0.1}, "momentum is -0.1"), ({"gamma": -1.0}, "gamma is -1")],
)
def test_numbers_that_mean_nothing_are_refused(numbers, said):
    with pytest.raises(ConfigError, match=said):
        RunningMeanGate(**numbers)


def test_sides_of_other_lengths_are_refused():
    owner = torch.tensor([0, 0, 1, 2, 3])
    with pytest.raises(ConfigError, match=r"4 rows and 5.*one text of a kind"):
        RunningMeanGate()(ONE, Gathered(local=OTHER[[0, 0, 1, 2, 3]], all=OTHER[[0, 0, 1, 2, 3]], owner=owner))


def sides(count: int = 64) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    image = torch.randn(count, 8, generator=draw)
    return [image, *(image + torch.randn(count, 8, generator=draw) for _ in range(2))]


def settled(gates: ConsistencyGates, *rows: torch.Tensor) -> ConsistencyGates:
    """Return gates that have seen so much that means are below what some pairs have."""
    for _ in range(3):
        gates(*rows)
    return gates


def test_only_samples_whose_texts_disagree_are_weighed_by_how_the_texts_fit():
    gates = settled(ConsistencyGates(momentum=0.1), *sides())
    believed = gates(*sides())
    whole = believed.sample == 1
    assert 0 < whole.sum() < len(whole)
    assert ((believed.sample > 0) & (believed.sample <= 1)).all()
    assert (believed.raw[whole] == 1).all()
    assert (believed.caption[whole] == 1).all()
    image, raw, _ = (normalize(one) for one in sides())
    wanted = torch.exp(2 * ((image * raw).sum(1) - gates.raw.mean))
    torch.testing.assert_close(believed.raw[~whole], wanted[~whole])
    assert (believed.raw > 1).any()


def test_a_gamma_of_zero_weighs_all_alike():
    believed = settled(ConsistencyGates(momentum=0.1, gamma=0.0), *sides())(*sides())
    assert all((one == 1).all() for one in (believed.sample, believed.raw, believed.caption))


def test_a_sample_that_lacks_a_text_counts_whole_by_the_other():
    gates, lacks = settled(ConsistencyGates(momentum=0.1), *sides()), torch.arange(64) < 20
    believed = gates(*sides(), caption_given=~lacks)
    assert (believed.caption_pair[lacks] == 0).all()
    assert (believed.raw_pair[lacks] == 1).all()
    assert (believed.caption_pair[~lacks] > 0).all()
    other_way = gates(*sides(), raw_given=~lacks, caption_given=torch.ones(64, dtype=torch.bool))
    assert (other_way.raw_pair[lacks] == 0).all()
    assert (other_way.caption_pair[lacks] == 1).all()


def test_a_rank_weighs_its_own_rows_by_means_of_all():
    whole, given = ConsistencyGates(momentum=0.1), torch.arange(64) % 3 > 0
    wanted = settled(whole, *sides())(*sides(), caption_given=given)
    for rank in range(2):
        ours = slice(32 * rank, 32 * rank + 32)
        parts = [Gathered(local=one[ours], all=one, offset=ours.start, ranks=2) for one in sides()]
        gates = settled(ConsistencyGates(momentum=0.1), *parts)
        believed = gates(*parts, caption_given=given)
        for name in ("sample", "raw", "caption"):
            assert torch.equal(getattr(believed, name), getattr(wanted, name)[ours])
        assert torch.equal(gates.language.mean, whole.language.mean)
