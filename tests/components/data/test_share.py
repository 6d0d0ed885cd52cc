"""A batch cut into ranks' parts: nothing twice, nothing left, and what does not split is said with what would."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.contracts.errors import ConfigError
from components.data.share import Share


@given(world=st.integers(1, 64), micro=st.integers(1, 64))
def test_the_parts_in_the_order_of_ranks_are_the_batch(world, micro):
    rows = list(range(world * micro))
    parts = [rows[Share(rank=rank, world=world).of(len(rows))] for rank in range(world)]
    assert [row for part in parts for row in part] == rows
    assert {len(part) for part in parts} == {micro}


@pytest.mark.parametrize(
    ("batch", "world", "near"), [(1000, 3, "999 and 1002"), (2, 4, "4"), (7, 2, "6 and 8"), (0, 2, "2")]
)
def test_a_batch_that_does_not_split_is_refused_with_what_would(batch, world, near):
    with pytest.raises(
        ConfigError, match=f"batch {batch} does not split over {world} ranks.*nearest that split are {near};"
    ):
        Share(rank=0, world=world).of(batch)


@pytest.mark.parametrize(("rank", "world"), [(2, 2), (-1, 2), (0, 0)])
def test_a_rank_that_the_world_does_not_have_is_refused(rank, world):
    with pytest.raises(ConfigError, match=f"rank is {rank} of a world of {world}.*RANK and WORLD_SIZE"):
        Share(rank=rank, world=world)
