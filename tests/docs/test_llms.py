"""docs/llms.txt: every page of docs is in it, once, and what it links is there."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "llms.txt").read_text()


def test_every_page_is_named_once_and_each_link_leads_somewhere():
    links = re.findall(r"^- \[[^\]]+\]\(([^)]+)\): \S", PAGE, re.M)
    assert sorted(links) == sorted(path.name for path in DOCS.glob("*.md"))


def test_it_has_the_parts_that_the_format_asks_for():
    title, _, summary, *rest = PAGE.splitlines()
    assert title.startswith("# ")
    assert summary.startswith("> ")
    sections = [line for line in rest if line.startswith("#")]
    assert sections
    assert all(line.startswith("## ") for line in sections)
