"""docs/comparison.md against what was measured: its tables are those of docs/comparison.json, whose claims are those of docs/comparison.yaml."""

import json
import re

import pytest

from components.recipes.comparison import load_comparison
from flows.proving.comparison import said_of
from flows.proving.page import BEGIN, END, markdown
from tests.benchmarks.environments import ROOT

PLAN, PAGE, KEPT = (ROOT / f"docs/comparison.{kind}" for kind in ("yaml", "md", "json"))


def test_tables_are_what_was_measured():
    shown = re.search(f"(?s){BEGIN}\n(.*)\n{END}", PAGE.read_text(encoding="utf-8"))
    found = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {"columns": {}}
    assert shown is not None
    assert shown.group(1) == "\n".join(markdown(found))


@pytest.mark.skipif(not KEPT.exists(), reason="nothing was measured yet")
def test_what_was_measured_is_what_was_written_down():
    found = json.loads(KEPT.read_text(encoding="utf-8"))
    plan = said_of(load_comparison(PLAN))
    assert found["plan"]["expected"] == plan["expected"]
    assert {name: found["plan"]["columns"][name] for name in found["columns"]} == {
        name: plan["columns"][name] for name in found["columns"]
    }
    verdicts = {"holds", "does not hold", "underpowered"}
    assert {one["outcome"] for one in found["expected"].values()} <= verdicts
