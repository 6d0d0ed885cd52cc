"""Which numbers of a scale decide what comes of a training, and which only how fast."""

from dataclasses import fields, replace

import pytest

from components.contracts.errors import ConfigError
from components.training.numbers import Scale

SCALE = Scale(batch=8, steps=12, pixels=24)


def test_the_number_of_workers_decides_nothing_so_a_resume_may_change_it():
    assert replace(SCALE, workers=3).deciding() == SCALE.deciding()


@pytest.mark.parametrize("name", [one.name for one in fields(Scale) if one.name not in ("workers", "precision")])
def test_every_other_number_decides(name):
    assert replace(SCALE, **{name: getattr(SCALE, name) + 1}).deciding() != SCALE.deciding()


def test_less_than_no_worker_is_refused():
    with pytest.raises(ConfigError, match=r"workers is -1\. Give the number of processes"):
        replace(SCALE, workers=-1)
