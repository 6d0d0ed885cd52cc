"""docs/deploying.md: its numbers are the defaults, its commands and tags the code's, what it measured is what is kept."""

import re
import shlex
from pathlib import Path

import yaml

from components.contracts.deploying import Deploying
from components.registry import deployments, promotion
from components.registry.signatures import KEY
from flows.cli import _parser
from flows.serving.rollout import LEASE_S
from tests.benchmarks.deploying_page import with_numbers
from tests.drills.rollouts import DRILLS

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/deploying.md").read_text()


def test_the_numbers_are_the_defaults():
    said = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE, re.S)[1])["deploy"]
    assert (
        Deploying(**{name: tuple(its) if isinstance(its, list) else its for name, its in said.items()}) == Deploying()
    )
    ours = yaml.safe_load((REPOSITORY / "params.yaml").read_text())["deploy"]
    assert all(said[name] == its for name, its in ours.items())
    assert (LEASE_S, "a lease of a minute" in PAGE) == (60.0, True)


def test_the_commands_are_ones():
    commands = re.findall(r"^diptych (.*?)(?: +#.*)?$", PAGE, re.M)
    assert len(commands) == 4
    for command in commands:
        _parser().parse_args(shlex.split(command))


def test_the_tags_are_those_that_are_set():
    tags = {
        deployments.DEPLOYED_AT,
        deployments.ENDPOINT,
        deployments.TRITON,
        deployments.SPACE,
        deployments.FAILED,
        promotion.PUT_BACK,
    }
    assert set(re.findall(r"`(diptych\.\w+)`", PAGE)) == tags
    assert f"`{KEY}`" in PAGE


def test_what_was_measured_is_what_is_kept():
    assert with_numbers(PAGE) == PAGE
    for name in DRILLS:
        assert f"`{name}`" in PAGE or f"DRILL={name}" in PAGE
