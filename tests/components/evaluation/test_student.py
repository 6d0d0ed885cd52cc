"""Student's t reaches as far as scipy.stats says."""

import pytest
from scipy.stats import t

from components.evaluation.student import student


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize("free", [1, 2.5, 4, 9, 1_000])
def test_the_middle_of_t(confidence, free):
    assert student(confidence, free) == pytest.approx(t.interval(confidence, free)[1], rel=1e-12)
