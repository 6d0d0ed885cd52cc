"""Counts: when they began, with a worker that is alone and with several; and what is told while one of several begins."""

import os
import subprocess
import sys
import time

from prometheus_client.parser import text_string_to_metric_families

from components.serving.gateway.settings import BEGAN, COUNTS

COUNTED = """
from components.serving.gateway import metrics
metrics.REQUESTS.labels("/v1/search", "200").inc()
print(metrics.exposition().decode())
"""


def counted_by_a_worker(**environment: str) -> dict[str, float]:
    """Return what a worker that has answered one request says of all, and end it."""
    said = subprocess.run(
        [sys.executable, "-c", COUNTED], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    ).stdout
    samples = (its for family in text_string_to_metric_families(said) for its in family.samples)
    return {its.name: its.value for its in samples if its.name.startswith("diptych_")}


def test_several_began_when_their_keeper_says_whoever_has_come_in_the_place_of_another(tmp_path):
    several = {COUNTS: str(tmp_path), BEGAN: "1234567890.125"}
    said = [counted_by_a_worker(**several) for _ in range(2)]
    assert [one["diptych_requests_total"] for one in said] == [1, 2]
    assert [one["diptych_start_time_seconds"] for one in said] == [1234567890.125] * 2


def test_what_a_worker_that_begins_just_now_has_not_counted_yet_keeps_nobody_from_the_others(tmp_path):
    several = {COUNTS: str(tmp_path), BEGAN: "1234567890.125"}
    counted_by_a_worker(**several)
    kinds = {path.name.rpartition("_")[0] for path in tmp_path.glob("*.db")}
    assert {"counter", "gauge_livesum"} < kinds
    for kind in kinds:
        (tmp_path / f"{kind}_7.db").touch()  # as it is before its first page is there
    assert counted_by_a_worker(**several)["diptych_requests_total"] == 2


def test_one_alone_begins_with_nothing():
    before = time.time()
    for _ in range(2):
        counted = counted_by_a_worker()
        assert counted["diptych_requests_total"] == 1
        assert before < counted["diptych_start_time_seconds"] < time.time()
        before = counted["diptych_start_time_seconds"]
