"""docs/ingest.md gives the numbers of the code."""

from pathlib import Path

from components.data.seeing import AHEAD, MOST, PATIENCE_S

PAGE = (Path(__file__).parents[2] / "docs/ingest.md").read_text()


def test_its_numbers_are_the_codes():
    assert AHEAD == 2
    assert "two handfuls each" in PAGE
    assert PATIENCE_S == 300
    assert "nothing for five minutes" in PAGE
    assert MOST == 16
    assert "no more than 16." in PAGE
