"""docs/loading.md names files, samplers and numbers that there are."""

import re
from pathlib import Path
from typing import get_type_hints

import yaml

from components.data.loader import PATIENCE_S
from components.data.rows.cache import MOST_BYTES
from components.data.samplers.ordering import Ordering
from components.recipes.section import build
from components.training.numbers import Scale
from tests.contracts.test_orders import SAMPLERS

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/loading.md").read_text()


def test_every_file_that_is_named_is_there():
    named = re.findall(r"`(components/[\w./]+)`", PAGE)
    assert len(named) == 11
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


def test_the_samplers_are_those_that_there_are():
    rows = re.findall(r"^\| `(\w+)` \|.*\| `([\w.]+)`(?:, or `null`)? \|$", PAGE, re.M)
    assert [name for name, _ in rows] == [kind.__name__ for kind in SAMPLERS]
    for (_, class_path), sampler in zip(rows, SAMPLERS, strict=True):
        init_args = {"shares": {"a": 1.0}} if sampler.__name__ == "Mixture" else {}
        ordering = build({"class_path": class_path, "init_args": init_args}, Ordering)
        assert get_type_hints(type(ordering).order)["return"] is sampler


def test_the_order_that_is_shown_can_be_built():
    shown = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", PAGE, re.S)[0])
    assert vars(build(shown["training"]["order"], Ordering)) == {"by": "source"}


def test_the_numbers_are_the_codes_own():
    assert f"`DIPTYCH_DECODED_GB` says how much the cache may hold, {MOST_BYTES / 1e9:g} where nothing is said" in PAGE
    assert f"makes no batch\nfor {PATIENCE_S:g} s is ended" in PAGE
    assert Scale(batch=1, steps=1, pixels=1).workers == 0
