"""docs/promotion.md says what params.yaml takes, what was measured, and names what is there."""

import json
import re
from pathlib import Path

import pytest
import yaml

from components.contracts.promotion import Bound, Guard, Rules
from tests.benchmarks import gate

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/promotion.md").read_text()


def test_rules_of_the_page_are_rules():
    said = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE, re.S)[1])["promotion"]
    guards, bounds = (Guard(**one) for one in said.pop("guards")), (Bound(**one) for one in said.pop("bounds"))
    assert Rules(**said, guards=tuple(guards), bounds=tuple(bounds)).alpha == 0.05


def test_numbers_of_the_page_are_those_that_were_measured():
    said = json.loads((REPOSITORY / "docs/benchmarks/gate.json").read_text())
    assert f"<!-- gate -->\n{gate.page(said)}\n<!-- /gate -->" in PAGE


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:components|tests)/[\w/.]+)`", PAGE))))
def test_paths_are_there(path):
    assert (REPOSITORY / path).exists()
