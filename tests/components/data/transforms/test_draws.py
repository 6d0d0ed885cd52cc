"""A row draws from its own stream: the same in any batch, and what looks like chance."""

import numpy as np
import pytest
import torch

from components.data.transforms.draws import RowDraws, even, seed_of

SEEDS = [seed_of(3, "side", f"key-{number}", 0) for number in range(4000)]


def test_a_row_draws_the_same_alone_and_among_others_to_the_bit():
    together = RowDraws(SEEDS[:5])
    first, then = together.even(3, 1, 1), together.even()
    for row in range(5):
        alone = RowDraws([SEEDS[row]])
        assert torch.equal(alone.even(3, 1, 1)[0], first[row])
        assert torch.equal(alone.even()[0], then[row])


def test_numbers_are_as_many_as_asked_for_and_even():
    numbers = RowDraws(SEEDS).even(8)
    assert numbers.shape == (4000, 8)
    assert numbers.dtype == torch.float32
    assert 0 <= numbers.min() < 0.001 < 0.999 < numbers.max() < 1
    counts = torch.histc(numbers, bins=20, min=0, max=1) / numbers.numel()
    assert (counts - 0.05).abs().max() < 0.004  # six deviations of a share of 32,000


def test_numbers_of_a_row_and_of_neighbours_say_nothing_of_each_other():
    draws = RowDraws(range(4000))  # seeds that are next to each other, too
    columns = torch.cat([draws.even(4), draws.even(4)], 1).numpy()
    apart = np.corrcoef(np.concatenate([columns[:-1], columns[1:]], 1).T) - np.eye(16)
    assert np.abs(apart).max() < 0.1  # six deviations of 4,000 rows


def test_its_numbers_are_splitmix64s():
    """The first outputs for the seed 0 as the algorithm's authors give them: e220a8397b1dcdaf, 6e789e6aa1b965f4."""
    wanted = torch.tensor([0xE220A8397B1DCDAF >> 40, 0x6E789E6AA1B965F4 >> 40]) / 2**24
    assert torch.equal(RowDraws([0]).even(2)[0], wanted)


def test_a_generator_draws_for_all_rows():
    draws = [torch.Generator().manual_seed(7) for _ in "ab"]
    assert torch.equal(even(draws[0], 4, 3), torch.rand(4, 3, generator=draws[1]))


@pytest.mark.parametrize("parts", [(0, "batch", 2), (1, "batch", 1), (0, "other", 1), ("0", "batch", 1)])
def test_seeds_depend_on_every_part(parts):
    assert seed_of(*parts) != seed_of(0, "batch", 1) == seed_of(0, "batch", 1)
    assert 0 <= seed_of(*parts) < 2**63
