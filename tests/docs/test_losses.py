"""docs/losses.md names the losses, files, recipes and ways to gather that there are."""

import json
import re
from pathlib import Path
from typing import get_args

import yaml

from components.training.gather import GatherMode

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/losses.md").read_text()
CATALOGUE = yaml.safe_load((REPOSITORY / "components/objectives/catalogue.yaml").read_text())


def test_every_loss_has_its_row_and_its_recipe_uses_it():
    rows = re.findall(r"^\| `(\w+)` \| `components/objectives/(\w+)\.py` \| `(\w+)` \| (\S+) \|$", PAGE, re.M)
    assert {file: (loss, peer) for loss, file, _, peer in rows} == {
        name: (row["class_path"].rpartition(".")[2], row["golden"]["peer"]) for name, row in CATALOGUE.items()
    }
    for _, file, recipe, _ in rows:
        method = yaml.safe_load((REPOSITORY / f"components/recipes/{recipe}.yaml").read_text())["method"]
        assert method["init_args"]["objective"]["class_path"] == CATALOGUE[file]["class_path"]


def test_every_way_to_gather_is_told_of():
    told = PAGE.partition("## Over ranks")[2].partition("## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", told, re.M)) == set(get_args(GatherMode))


def test_every_file_that_is_named_is_there():
    named = re.findall(r"`((?:components|tests)/[\w./]+)`", PAGE)
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


def test_the_numbers_are_those_that_were_measured():
    kept = json.loads((REPOSITORY / "docs/benchmarks/contrast.json").read_text())["cases"]
    said = re.findall(r"^\| `(\w+)Loss` \| ([\d.]+) GB \| (\d+) s \|", PAGE, re.M)
    assert {name.lower(): (peak, cpu) for name, peak, cpu in said} == {
        name: (f"{one['peak_gb']:.2f}", f"{one['cpu_s']:.0f}") for name, one in kept.items()
    }
    assert all(one["peak_gb"] < 1.5 for one in kept.values())
