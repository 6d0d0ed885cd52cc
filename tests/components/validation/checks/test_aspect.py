"""A strip is told of by what it measures when it stands upright, and the limit is the catalogue's."""

import io

from PIL import Image

from components.validation.checks.aspect import Aspect
from tests.rows import found, row


def strip(size: tuple[int, int]) -> bytes:
    held = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(held, "PNG")
    return held.getvalue()


def test_a_banner_is_told_of_and_dropped_on_demand(case, make):
    case.ingest([make(0), make(1, data=strip((20, 170))), make(2, data=strip((20, 160)))])
    report = case.validate()
    assert (report["told"]["aspect"]["rows"], report["clean"]) == (1, 3)
    assert set(case.validate(policy={"aspect": "drop"})["reasons"]) == {"aspect"}


def test_the_limit_is_a_setting_and_counts_either_way():
    listed = [row("wide", width=31, height=10), row("tall", width=10, height=31), row("three", width=30, height=10)]
    assert found(Aspect(most=3), listed) == {"wide": "aspect", "tall": "aspect"}
