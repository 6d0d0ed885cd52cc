"""Rows of ranks, and the recall that is counted over them."""

import numpy as np
import pyarrow as pa
import pytest

from components.evaluation.outcomes import Evaluated
from components.evaluation.rank_rows import rank_rows, recall
from components.evaluation.ranking import Right
from components.evaluation.retrieval import Gallery

GALLERY = Gallery(pictures=("p0", "p1"), texts=("a", "b", "c"), right=Right.of([[0], [1, 2]], 3))


def test_a_number_is_counted_over_its_own_rows_among_others():
    """Three texts, of which two are found first at the width 4, and one at 2."""
    wide, cut = (
        rank_rows("val", "text_to_image", GALLERY, np.array(ranks), np.array([2, 2, 2]), width=width)
        for ranks, width in (([1, 2, 1], 4), ([2, 2, 1], 2))
    )
    metrics = [
        recall(f"cut.val.{width}", "cut.val", table, 1, GALLERY, 0, "") for width, table in ((4, wide), (2, cut))
    ]
    assert [(one.value, one.baseline, one.chance, one.n) for one in metrics] == [(2 / 3, 0, 0.5, 3), (1 / 3, 0, 0.5, 3)]
    kept = Evaluated(
        label="one",
        metrics={one.name: one.as_json() for one in metrics},
        rows={"cut.val": pa.concat_tables([wide, cut])},
    )
    for one in metrics:
        (tally,) = kept.tallies(one.name)
        assert kept.counted(tally)["value"].to_numpy().mean() == pytest.approx(one.value)
    assert wide["group"].to_pylist() == ["p0", "p1", "p1"]
