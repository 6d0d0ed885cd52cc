"""docs/evaluation.md says what the recipe says, names files that exist, and metrics and settings that there are."""

import inspect
import re
from pathlib import Path
from typing import get_args

import yaml

from components.evaluation.zero_shot import Join, Prompting, ZeroShot

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/evaluation.md").read_text()


def test_the_list_is_the_recipes():
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    recipe = yaml.safe_load((REPOSITORY / "components/recipes/clip.yaml").read_text())
    assert yaml.safe_load(block)["evaluators"] == recipe["evaluation"]["evaluators"]


def test_every_file_that_is_named_is_there():
    named = [name for name in re.findall(r"`((?:components|tests)/[\w./]+)`", PAGE)]
    assert len(named) >= 5
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


def test_every_metric_that_is_named_is_in_the_catalogue():
    catalogue = yaml.safe_load((REPOSITORY / "components/evaluation/catalogue.yaml").read_text())
    patterns = [pattern for row in catalogue.values() for pattern in row["metrics"]]
    filled = {"<split>": "val", "<direction>": "image_to_text", "<k>": "1", "<label>": "category", "<set>": "digits"}
    named = re.findall(r"\| `([\w.]+<[^`]+)` \|", PAGE)
    assert len(named) == len(catalogue)
    for name in named:
        for place, word in (filled | {"<statistic>": "modality_gap"}).items():
            name = name.replace(place, word)
        assert any(re.fullmatch(pattern, name) for pattern in patterns), name


def test_every_way_to_ask_is_explained():
    for way in (*get_args(Prompting), *get_args(Join)):
        assert f"`{way}`" in PAGE
    assert {"prompts", "join", "served", "top", "label"} <= set(inspect.signature(ZeroShot).parameters)
