"""docs/reinforce.md: its recipe can be built, the files, options and benchmarks that it names are there, and its table is what was measured."""

import json
import re
from pathlib import Path

import pytest
import torch
import yaml

from components.contracts.method import Method
from components.methods.reinforce import Reinforce
from components.recipes.recipe import Reinforced
from components.recipes.section import build
from components.recipes.yaml_lines import overlay
from flows.cli import main
from tests.squares import described_at_debug

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/reinforce.md").read_text()
MEASURED = json.loads((REPOSITORY / "docs/benchmarks/reinforce.json").read_text())


def test_its_recipe_can_be_built(vocabulary):
    shown = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE, re.S)[1])
    torch.manual_seed(0)
    method = build(overlay(shown["method"], {"init_args": {"model": described_at_debug(vocabulary)}}), Method)
    assert isinstance(method, Reinforce)
    assert Reinforced(**shown["training"]["reinforce"]).side == "data/reinforced/clip"


def test_every_file_that_is_named_is_there():
    named = re.findall(r"`((?:components|tests)/[\w./]+)`", PAGE)
    assert len(named) >= 4
    assert [name for name in named if not (REPOSITORY / name).exists()] == []
    assert [
        name for name in re.findall(r"BENCH=(\w+)", PAGE) if not (REPOSITORY / f"tests/benchmarks/{name}.py").exists()
    ] == []


def test_every_option_that_is_named_is_one_of_the_command(capsys):
    with pytest.raises(SystemExit):
        main(["data", "reinforce", "--help"])
    told = capsys.readouterr().out
    named = re.findall(r"--[a-z]+", PAGE.partition("## What it saves")[0])
    assert len(named) >= 4
    assert [option for option in named if option not in told] == []


def test_its_table_is_what_was_measured():
    table = PAGE.partition("### How it was chosen")[0]
    for way, middle in MEASURED["median"].items():
        runs = [turn[way] for turn in MEASURED["turns"]]
        (line,) = re.findall(rf"^\| {re.escape(way)} \|.*$", table, re.M)
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        took = [round(run["cpu_s"]) for run in runs]
        assert cells[1:] == [
            str(runs[0]["batch"]), f"{runs[0]['samples']:,}", f"{min(took)} to {max(took)}",
            ", ".join(f"{run['recall_at_1']:.1%}" for run in runs), f"{middle:.1%}",
        ]  # fmt: skip


def test_a_third_of_the_samples_was_enough_in_each_seed():
    assert MEASURED["measured_on"] == "pair"
    assert len(MEASURED["turns"]) >= 3
    for turn in MEASURED["turns"]:
        reinforced, plain = (
            turn["reinforced, 1/3"],
            max((turn["plain"], turn["plain, smaller batch"]), key=lambda run: run["recall_at_1"]),
        )
        assert 3 * reinforced["samples"] <= plain["samples"]
        assert reinforced["recall_at_1"] > plain["recall_at_1"]


def test_the_teacher_of_the_same_pictures_is_told_as_measured():
    same = json.loads((REPOSITORY / "docs/benchmarks/reinforce-same-pictures.json").read_text())
    assert (same["measured_on"], same["teacher"]["pictures"]) == ("pair", same["pictures"])
    runs = [turn["reinforced, 1/3"]["recall_at_1"] for turn in same["turns"]]
    plain = [turn["plain"]["recall_at_1"] for turn in MEASURED["turns"]]
    told = " ".join(PAGE.split())
    assert f"it comes to {same['teacher']['recall_at_1']:.1%}" in told
    assert f"{', '.join(f'{run:.1%}' for run in runs)}, a median of {same['median']['reinforced, 1/3']:.1%}" in told
    assert sum(ours > theirs for ours, theirs in zip(runs, plain, strict=True)) == 1
    assert f"`{same['command']}`" in told
