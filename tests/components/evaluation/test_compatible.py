"""Whether new queries are no worse on an old index is said by the same queries, asked by both; the claim is as the rows give it."""

import numpy as np
import pyarrow as pa
import pytest

from components.contracts.errors import ConfigError
from components.contracts.promotion import Rules
from components.evaluation.compatible import works_on_old_index
from components.evaluation.outcomes import Evaluated

OLD = {"label": "clip@2", "digest": "d", "space": "s"}
NAME = "compatible.pair.text_to_image.recall_at_1"


def evaluated(ours, theirs):
    """Return the evaluation of a model whose text is right, or not, where the old one's is."""
    rank, before = (np.where(one, 1, 7) for one in (ours, theirs))
    count = len(rank)
    names = [f"q{place:04d}" for place in range(count)]
    table = pa.table({
        "split": ["pair"] * count, "direction": ["text_to_image"] * count, "query": names, "group": names,
        "rank": pa.array(rank, pa.int32()), "baseline_rank": pa.array(before, pa.int32()),
    })  # fmt: skip
    tally = {"rows": "compatible.pair", "column": "rank", "where": {"direction": "text_to_image"}, "at_most": 1}
    metric = {"value": float(np.mean(ours)), "unit": "fraction", "better": "up", "tallies": [tally]}
    return Evaluated(label="clip@3", metrics={NAME: metric}, rows={"compatible.pair": table})


def answers(gained, lost, both, neither):
    ours = [True] * gained + [False] * lost + [True] * both + [False] * neither
    theirs = [False] * gained + [True] * lost + [True] * both + [False] * neither
    return np.array(ours), np.array(theirs)


@pytest.mark.parametrize(
    ("counts", "held", "says"),
    [
        ((40, 10, 100, 150), "holds", "shown to be not worse by more than 2 points than queries of clip@2 on its index"),
        ((0, 0, 0, 400), "holds", "shown to be not worse"),
        ((5, 60, 85, 150), "fails", "not shown to be not worse by more than 2 points"),
        ((21, 19, 100, 160), "uncertain", "nor the contrary"),
        ((4, 0, 3, 3), "uncertain", "nor the contrary"),
    ],
)  # fmt: skip
def test_the_claim_is_shown_refuted_or_left_open(counts, held, says):
    finding = works_on_old_index(evaluated(*answers(*counts)), OLD, Rules())
    assert (finding.rule, finding.metric, finding.held) == ("compatible", NAME, held)
    assert says in finding.says
    gained, lost, both, _ = counts
    assert finding.ours == pytest.approx((gained + both) / sum(counts))
    assert finding.theirs == pytest.approx((lost + both) / sum(counts))
    assert finding.low <= finding.difference <= finding.high
    assert (finding.more is not None) == (held == "uncertain")


def test_one_that_was_not_asked_is_missing():
    finding = works_on_old_index(Evaluated(label="clip@3", metrics={}, rows={}), OLD, Rules())
    assert (finding.held, finding.says) == ("missing", "clip@3 was not asked on the index of clip@2")


@pytest.mark.parametrize("margin", [0.0, -0.1, 1.0])
def test_a_margin_that_means_nothing_is_refused(margin):
    with pytest.raises(ConfigError, match=f"promotion.old_index is {margin}"):
        Rules(old_index=margin)
