"""docs/fine-tuning.md: its commands do what they say, its settings are the code's own, its files and numbers are there."""

import importlib
import inspect
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml

from components.finetuning.strategy import ALPHAS, GENTLE, Strategy
from components.finetuning.tune import tuned_scale
from components.finetuning.whole import CAREFUL
from components.recipes.check import check
from components.recipes.recipe import load_finetuning, load_scale
from components.recipes.section import build
from components.training.numbers import Optimisation
from flows.choices import Choices, choose

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/fine-tuning.md").read_text()


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "components").symlink_to(REPOSITORY / "components")
    (tmp_path / "data/own").mkdir(parents=True)
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    return tmp_path


def test_the_commands_switch_it_on_and_off(root):
    said = (root / "params.yaml").read_text()
    on, off = (shlex.split(line, comments=True) for line in blocks("sh")[0].splitlines())
    assert on[:3] == off[:3] == [".venv/bin/diptych", "run", "--set"]
    choose(root, Choices(numbers=on[3:]), root)
    described = load_finetuning(root, "clip")
    assert described is not None
    assert build(described, Strategy).alphas == ALPHAS
    choose(root, Choices(numbers=off[3:]), root)
    assert load_finetuning(root, "clip") is None
    assert (root / "params.yaml").read_text() == said


def test_the_settings_of_the_page_are_those_of_a_strategy_that_is_only_named(root):
    settings = yaml.safe_load(blocks("yaml")[0])["overrides"]["finetuning"]
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["overrides"]["finetuning"] = settings
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    check(root)
    shown, plain = build(settings, Strategy), build({"class_path": settings["class_path"]}, Strategy)
    assert (shown.share, shown.optimisation, shown.alphas) == (plain.share, GENTLE, ALPHAS)
    assert Optimisation(**settings["init_args"]["optimisation"]) == GENTLE


def test_all_strategies_are_told_with_their_paper_and_the_arguments_they_have_where_nothing_is_said():
    catalogue = yaml.safe_load((REPOSITORY / "components/finetuning/catalogue.yaml").read_text())
    told = " ".join(PAGE.split())
    of_all = inspect.signature(Strategy).parameters
    for row in catalogue.values():
        module, _, name = row["class_path"].rpartition(".")
        arxiv = re.search(r"arXiv:[\d.]+\d", row["paper"])
        assert f"| `{module.rpartition('.')[2]}.{name}` (" in PAGE
        assert arxiv[0] in PAGE
        kind = getattr(importlib.import_module(module), name)
        for own in inspect.signature(kind).parameters.values():
            if own.name not in of_all:
                default = f"`{list(own.default)}`" if isinstance(own.default, tuple) else f"{own.default}"
                assert f"`{own.name}`, {default}" in told, (name, own.name)


def test_the_pull_and_the_rates_by_layer_of_the_page_are_those_of_whole():
    settings = yaml.safe_load(blocks("yaml")[1])["overrides"]["finetuning"]
    shown, plain = build(settings, Strategy), build({"class_path": settings["class_path"]}, Strategy)
    assert shown.optimisation == plain.optimisation == CAREFUL
    lowest = f"{CAREFUL.layer_decay} to the power of 13, {100 * CAREFUL.layer_decay**13:.1f}% of `lr`"
    assert f"12 layers it learns at {lowest}" in " ".join(PAGE.split())


def test_the_steps_of_the_page_are_those_of_the_scales():
    share = yaml.safe_load(blocks("yaml")[0])["overrides"]["finetuning"]["init_args"]["share"]
    for name in ("laptop", "debug"):
        scale = load_scale(REPOSITORY, name)
        assert re.search(rf"\b{tuned_scale(scale, share).steps} of the {scale.steps} at `{name}`", PAGE)


def test_the_table_shows_what_was_measured():
    measured = json.loads((REPOSITORY / "docs/benchmarks/fine-tuning.json").read_text())
    before = {"numbers": "not at all", "alpha": "", "after": measured["before"]}
    for run in (before, *measured["runs"]):
        shares = [
            f"{100 * run['after'][f'{split}.{way}.recall_at_1']:.1f}%"
            for split in ("val", "pair")
            for way in ("image_to_text", "text_to_image")
        ]
        row = " | ".join([run["numbers"], str(run["alpha"]), *shares]).replace("|  |", "| |")
        assert f"| {row} |" in PAGE
    all_the_way = measured["runs"][-1]["tried"][-1]
    ends = [f"{100 * all_the_way[f'val.{way}.recall_at_1']:.1f}%" for way in ("image_to_text", "text_to_image")]
    assert f"{ends[0]} and {ends[1]} on `val`" in " ".join(PAGE.split())


def test_the_commands_of_the_measurement_choose_what_was_measured(root):
    """The steps and the choice among alphas are those of the code as it is."""
    measured = json.loads((REPOSITORY / "docs/benchmarks/fine-tuning.json").read_text())
    for run in measured["runs"]:
        words = shlex.split(run["command"])
        assert words[:2] == ["diptych", "run"]
        choose(root, Choices(numbers=[word for word in words[2:] if word != "--set"]), root)
        described = load_finetuning(root, "clip")
        strategy = build(described, Strategy)
        assert tuned_scale(load_scale(root, measured["scale"]), strategy.share).steps == run["steps"]
        assert tuple(tried["alpha"] for tried in run["tried"]) == strategy.alphas


def test_files_of_ours_that_it_names_are_there():
    named = re.findall(r"`((?:components|tests|docs)/[\w/.]+)`", PAGE)
    assert len(named) >= 3
    for path in named:
        assert (REPOSITORY / path).exists(), path
