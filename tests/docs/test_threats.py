"""docs/threats.md: every test that it names is there."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/threats.md").read_text()


def test_what_shows_it_is_there():
    named = re.findall(r"`(tests/[^`]+)`", PAGE)
    assert len(named) >= 12
    assert [path for path in named if not (REPOSITORY / path).exists()] == []


def test_every_row_says_what_is_done_and_what_shows_it():
    rows = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| ") and "---" not in line]
    assert all(len(row) == 4 and all(cell.strip() for cell in row) for row in rows)
