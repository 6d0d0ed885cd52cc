"""docs/compatible.md says what was measured, and names what is there."""

import json
import re
from pathlib import Path

import pytest
import yaml

from components.contracts.model_files import COMPATIBLE
from components.contracts.promotion import Rules
from components.recipes.params import Begin
from flows.cli import _parser
from tests.benchmarks import compatible

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/compatible.md").read_text()


def test_numbers_of_the_page_are_those_that_were_measured():
    said = json.loads((REPOSITORY / "docs/benchmarks/compatible.json").read_text())
    assert f"<!-- compatible -->\n{compatible.page(said)}\n<!-- /compatible -->" in PAGE


def test_its_command_and_its_choice_are_what_there_is():
    words = re.search(r"diptych (run --compatible-with \S+)", PAGE)[1].split()
    assert _parser().parse_args(words).compatible_with == "clip@champion"
    said = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE, re.S)[1])["recipes"]["clip"]
    assert Begin(**said).compatible_with == "models/clip-3-1a2b3c4d"
    assert f"`{COMPATIBLE}`" in PAGE
    assert f"`promotion.old_index` ({Rules().old_index})" in PAGE


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:components|tests)/[\w/.]+)`", PAGE))))
def test_paths_are_there(path):
    assert (REPOSITORY / path).exists()
