"""docs/versions.md: its commands parse, its reasons and numbers are the code's."""

import re
import shlex
from pathlib import Path

import pytest

from components.data.kinds import BY_NAME
from components.data.manifest import SCHEMA
from components.data.versions.columns import ENCODING, PICTURE, columns_of
from components.data.versions.difference import ROWS_AT_ONCE
from flows.cli import _parser

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/versions.md").read_text()
COMMANDS = re.findall(r"^diptych (.+)$", PAGE, re.M)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_parses(command):
    assert _parser().parse_args(shlex.split(command)).command


def test_reasons_are_those_that_a_comparison_gives():
    told = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.+?) \|", PAGE, re.M)))
    said = {"texts": "caption"}
    given = [said.get(name, name) for name in columns_of(SCHEMA, SCHEMA).said]
    assert sorted(told) == sorted([PICTURE, ENCODING, *given, *BY_NAME])


def test_numbers_are_the_code_s():
    assert f"({ROWS_AT_ONCE:,})" in PAGE


def test_every_file_that_is_named_is_there():
    named = re.findall(r"`((?:components|tests|docs)/[\w./]+)`", PAGE)
    assert [name for name in named if not (REPOSITORY / name).exists()] == []
