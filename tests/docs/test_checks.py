"""The table of docs/checks.md is what the catalogue and the reasons say."""

import re
from pathlib import Path

from components.contracts.reasons import REASONS
from components.validation.check import read_catalogue

PAGE = (Path(__file__).parents[2] / "docs" / "checks.md").read_text(encoding="utf-8")


def test_every_reason_of_a_check_stands_in_the_table_with_its_policy_and_meaning():
    stands = re.findall(r"^\| `(\w+)` \| ([\w ]+) \| (.+) \|$", PAGE, re.MULTILINE)
    codes = [code for entry in read_catalogue().values() for code in entry.reasons]
    assert stands == [(code, REASONS[code].policy or "always set aside", REASONS[code].meaning) for code in codes]
