"""docs/lineage.md: its commands are those there are, its numbers were measured, its files are there."""

import json
import re
import shlex
from pathlib import Path

import pytest

from flows.cli import _parser
from tests.benchmarks import lineage

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/lineage.md").read_text()


def test_the_commands_are_those_there_are():
    commands = [
        line.partition("#")[0].strip()
        for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S)
        for line in block.splitlines()
    ]
    assert len(commands) == 6
    for command in commands:
        assert _parser().parse_args(shlex.split(command)[1:]).command.__name__ in (
            "_lineage",
            "_takedown",
            "_reproduce",
        )


def test_numbers_of_lineage_are_those_that_were_measured():
    said = json.loads((REPOSITORY / "docs/benchmarks/lineage.json").read_text())
    assert said["rows"] == 1_000_000
    assert f"<!-- lineage -->\n{lineage.page(said)}\n<!-- /lineage -->" in PAGE


def test_what_was_made_again_is_what_came_out():
    runs = json.loads((REPOSITORY / "docs/benchmarks/reproduce.json").read_text())["runs"]
    section = PAGE.partition("<!-- reproduce -->")[2].partition("<!-- /reproduce -->")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")
    ]
    assert [row[:3] for row in rows[2:]] == [
        [run["what"], f"{run['files']} of {run['of']}", run["minutes"]] for run in runs
    ]  # fmt: skip
    assert all(run["first"] is None or run["first"] in row[3] for run, row in zip(runs, rows[2:], strict=True))


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:components|flows|tests)/[\w/.]+)`", PAGE))))
def test_paths_are_there(path):
    assert (REPOSITORY / path).exists()
