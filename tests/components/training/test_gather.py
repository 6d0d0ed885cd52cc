"""Rows of three real ranks, so that a ring is a ring: how they are gathered, and what is refused.

That every loss of the catalogue comes to what one process comes to is shown over two ranks in tests/contracts/test_objectives.py.
"""

import pytest
import torch

from components.training.gather import Gather
from tests.components.training.gathering import SAMPLES, TAKING, outcome
from tests.over_ranks import check_same, told_by_ranks

WORLD = 3


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    return told_by_ranks("tests.components.training.gathering", tmp_path_factory.mktemp("ranks"), WORLD)


@pytest.mark.parametrize("kind", ["pairs", "captions"])
@pytest.mark.parametrize("mode", ["features", "ring", "detached"])
def test_three_ranks_equal_one_process_however_rows_travel(mode, kind, ranks):
    check_same(ranks[0][f"softmax {mode} {kind}"], outcome("softmax", mode, kind))


@pytest.mark.parametrize("name", TAKING)
@pytest.mark.parametrize("mode", ["features", "ring", "detached"])
def test_a_text_that_does_not_fit_is_of_its_own_picture_alone_on_whichever_rank(mode, name, ranks):
    check_same(ranks[0][f"{name} {mode} unfit"], outcome(name, mode, "unfit"))


@pytest.mark.parametrize("mode", ["features", "ring", "detached"])
def test_rows_of_ranks_stand_one_after_the_other(mode, ranks):
    for rank, told in enumerate(ranks):
        seen = told[f"gathered {mode}"]
        assert seen["all"] == [[float(row)] for row in range(SAMPLES)]
        whole = mode == "detached"  # every rank takes the whole loss
        share = SAMPLES // WORLD
        assert seen["local"] == (seen["all"] if whole else seen["all"][rank * share : (rank + 1) * share])
        assert seen["offset"] == (0 if whole else rank * share)


def test_other_numbers_of_rows_a_rank_are_refused_where_nothing_says_whose_they_are(ranks):
    assert {told["uneven"] for told in ranks} == {ranks[0]["uneven"]}
    assert "[1, 2, 3] rows" in ranks[0]["uneven"]
    assert "owner" in ranks[0]["uneven"]


@pytest.mark.parametrize("mode", ["none", "features", "ring", "detached"])
def test_one_process_hands_back_its_own_rows(mode):
    rows = torch.randn(4, 3)
    gathered = Gather(mode)(rows, owner=torch.tensor([0, 0, 1, 2]), samples=3)
    assert gathered.local is rows
    assert gathered.is_whole
    assert gathered.samples().tolist() == [0, 0, 1, 2]
