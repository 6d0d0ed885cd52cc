"""docs/versions.md: its commands parse, its reasons and numbers are the code's."""

import json
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


def test_numbers_of_a_comparison_are_those_that_were_measured():
    said = json.loads((REPOSITORY / "docs/benchmarks/data-diff.json").read_text())
    ours, theirs = said["sides"]["ours"], said["sides"]["datachain"]
    assert said["right"] == {"ours": True, "datachain": True}
    for words in (
        f"{said['rows']:,} rows take {ours['cpu_s']:.1f} CPU-seconds and {ours['peak_mb']:.0f} MB",
        f"DataChain {theirs['version']} takes {theirs['cpu_s']:.1f}, {said['ratio']} times that, and {theirs['peak_mb']:.0f} MB",
        f"{said['truth']['added']:,} added, {said['truth']['removed']:,} removed, {said['truth']['changed']:,} changed",
        f"by the clock, {ours['wall_s']:.0f} and {theirs['wall_s']:.0f} s",
    ):
        assert words in PAGE
