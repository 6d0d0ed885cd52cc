"""docs/monitoring.md: its numbers are the defaults, its commands, events and files are there, and what it says was measured."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from components.contracts.monitor import Watch
from components.monitoring import events
from flows.cli import _parser
from flows.telling.automations import GO_BACK, TRAIN
from tests.benchmarks import drift

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/monitoring.md").read_text()


def test_numbers_of_the_page_are_the_defaults_and_those_of_params_yaml():
    said = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE, re.S)[1])["monitor"]
    assert said == vars(Watch())
    assert Watch(**yaml.safe_load((REPOSITORY / "params.yaml").read_text())["monitor"]) == Watch()


def test_the_commands_are_those_there_are():
    commands = re.findall(r"^\.venv/bin/diptych (.*?)(?: +#.*)?$", PAGE, re.M)
    assert len(commands) == 4
    for command in commands:
        _parser().parse_args(shlex.split(command))


def test_events_and_automations_are_those_of_the_code():
    assert set(re.findall(r"`(diptych\.\w+\.\w+)`", PAGE)) == {events.DRIFT, events.BUDGET, events.DIED}
    for its in (TRAIN, GO_BACK):
        assert all(f"`{name}`" in PAGE for name in (its.name, its.deployment))
    assert f"({events.MOST_MB} MB" in PAGE


def test_the_deployment_is_there():
    names = [one["name"] for one in yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())["deployments"]]
    assert "monitor" in names
    assert "manual" in names


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:components|tests|docs)/[\w/.]+)`", PAGE))))
def test_paths_are_there(path):
    assert (REPOSITORY / path).exists()


def test_what_it_finds_is_what_was_measured():
    said = json.loads((REPOSITORY / "docs/benchmarks/drift.json").read_text())
    assert f"<!-- drift -->\n{drift.page(said)}\n<!-- /drift -->" in PAGE


@pytest.mark.parametrize(
    "wrong", [{"alpha": 0.6}, {"permutations": 100}, {"least_rows": 5}, {"most_rows": 50}, {"most_failed": 0}, {"cool_down_h": 0}, {"window_h": -1}]
)  # fmt: skip
def test_numbers_that_make_no_sense_are_refused_by_name(wrong):
    (name,) = wrong
    from components.contracts.errors import ConfigError

    with pytest.raises(ConfigError, match=rf"monitor\..*{name}"):
        Watch(**wrong)
