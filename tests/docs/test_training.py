"""docs/training.md: its settings are the code's own."""

import re
from dataclasses import asdict
from pathlib import Path

import yaml

from components.stages.signals import PATIENCE_S
from components.training.checkpoints import KEPT
from components.training.numbers import Guards

PAGE = (Path(__file__).parents[2] / "docs/training.md").read_text()


def test_the_guards_of_the_page_are_those_where_nothing_is_said():
    (block,) = [said for said in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if said.startswith("guards:")]
    assert yaml.safe_load(block)["guards"] == asdict(Guards())


def test_the_numbers_of_the_page_are_the_codes():
    assert f"longer than {PATIENCE_S:g} s is cut short" in PAGE
    assert {2: "the last two are kept"}[KEPT] in PAGE
