"""docs/reasons.md: its table is the code's, row by row and in its order."""

import re
from pathlib import Path

from components.contracts.reasons import REASONS

PAGE = (Path(__file__).parents[2] / "docs/reasons.md").read_text()


def test_the_table_of_the_page_is_that_of_the_code():
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (broken|set aside|kept) \| ([a-z, ]+) \|$", PAGE, re.MULTILINE)
    assert rows == [
        (
            code,
            its.meaning,
            "broken" if its.broken else "kept" if its.policy == "keep" else "set aside",
            ", ".join(its.found_by),
        )
        for code, its in REASONS.items()
    ]
