"""The bucket, by a clock that is moved by hand."""

import pytest

from components.serving.gateway.rates import BURST_S, Rates


def test_a_full_bucket_is_emptied_and_fills_by_the_second():
    now = 0.0
    rates = Rates(clock=lambda: now)
    assert [rates.wait_s("anna", 60) for _ in range(int(BURST_S))] == [0.0] * int(BURST_S)
    assert rates.wait_s("anna", 60) == pytest.approx(1.0)
    now = 0.5
    assert rates.wait_s("anna", 60) == pytest.approx(0.5)
    now = 1.0
    assert rates.wait_s("anna", 60) == 0
    now = 1_000.0
    assert [rates.wait_s("anna", 60) for _ in range(11)][-1] > 0  # it never holds more than a burst


def test_workers_share_a_rate_and_names_do_not():
    rates = Rates(workers=4, clock=lambda: 0.0)
    assert rates.wait_s("anna", 4) == 0
    assert rates.wait_s("anna", 4) == pytest.approx(60)  # one a minute is the fourth part
    assert rates.wait_s("ben", 4) == 0
