"""docs/report.md names sections, files and pictures that there are."""

import re
import shlex
from pathlib import Path

from components.evaluation.report.confusions import FEW, WORST
from components.evaluation.sliced import FLOOR
from flows.cli import _parser

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/report.md").read_text()


def test_the_sections_are_those_of_the_page_in_its_order():
    code = (REPOSITORY / "components/evaluation/report/page.py").read_text()
    assert re.findall(r"^\| ([A-Z][^|]+?) \|", PAGE, re.M) == re.findall(
        r'Section\(anchor="\w+", title="([^"]+)"', code
    )


def test_numbers_are_those_of_the_code():
    assert f"at most {FEW} classes" in PAGE
    assert f"the {WORST} pairs" in PAGE
    assert f"parts with {FLOOR} queries" in PAGE


def test_every_file_and_picture_that_is_named_is_there():
    named = re.findall(r"`((?:components|tests)/[\w./]+)`", PAGE)
    pictures = re.findall(r"(?:\(|\")(images/[\w.-]+)", PAGE)
    assert len(named) >= 4
    assert pictures == ["images/report.png", "images/report-more.png", "images/report-phone.png"]
    assert [name for name in named if not (REPOSITORY / name).exists()] == []
    assert [name for name in pictures if not (REPOSITORY / "docs" / name).exists()] == []


def test_the_commands_are_commands():
    lines = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S) for line in block.splitlines()]
    program, *arguments = shlex.split(lines[0])
    assert program == ".venv/bin/diptych"
    assert _parser().parse_args(arguments).second == "clip@2"
    assert lines[1:] == [".venv/bin/python -m infra.screenshots"]
    assert (REPOSITORY / "infra/screenshots.py").exists()
