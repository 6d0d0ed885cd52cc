"""The bucket, by a clock that is moved by hand."""

import pytest

from components.serving.gateway.rates import BURST_S, Rates
from components.serving.gateway.refusal import Refusal


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


@pytest.mark.parametrize("per_minute", [7, 17, 25, 40, 43, 60, 6_000])
def test_who_waits_as_long_as_he_is_told_is_answered(per_minute):
    now = 0.0
    rates = Rates(clock=lambda: now)
    while not (wait_s := rates.wait_s("anna", per_minute)):
        pass
    told = int(Refusal(429, "rate_limited", "", wait_s).headers()["retry-after"])
    assert 1 <= told < wait_s + 1
    now += told
    assert rates.wait_s("anna", per_minute) == 0
