"""docs/proofs.md against the code: its example is one that a card takes."""

import re
import shlex
from pathlib import Path

import yaml

from components.recipes.proof import Arm, Proof
from components.recipes.section import build
from flows.cli import _parser
from flows.proving.compare import METRICS, Row
from tests.benchmarks.real_input_page import COLUMNS, END, KEPT, START, table, with_table

PAGE = (Path(__file__).parents[2] / "docs/proofs.md").read_text(encoding="utf-8")


def test_the_example_is_a_proof():
    (said,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    proof = build(yaml.safe_load(said)["card"]["proof"], Proof)
    assert [str(claim) for claim in proof.claims] == [
        "retrieval.pair.image_to_text.recall_at_1 of clip against chance, ratio at least 10",
        "retrieval.pair.image_to_text.recall_at_1 of higher against clip, difference at least 0.02",
    ]


def test_the_starts_of_the_table_are_those_of_arms():
    table = PAGE.partition("## What an arm begins from")[2].partition("\n## ")[0]
    shown = [yaml.safe_load(said) for said in re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)][1:]
    arms = [build({"recipe": "clip", "start": start}, Arm) for start in shown]
    assert [arm.given is not None for arm in arms] == [True, True, False]


def test_its_comparison_parses_and_names_what_can_be_compared():
    words = shlex.split(PAGE.split("```sh")[1].split("```")[0])
    parsed = _parser().parse_args(words[1:])
    assert [Row.of(name).recipe for name in parsed.names][-1] == "clip_refine"
    assert PAGE.split("```sh")[1].count(str(KEPT[0].relative_to(Path(__file__).parents[2]))) == 1
    assert set(COLUMNS.values()) <= set(METRICS)


def test_its_table_is_what_was_kept():
    assert with_table(PAGE) == PAGE


def test_a_table_says_mean_interval_and_whose_computing_was_not_equal():
    one = {"mean": 0.5, "low": 0.4, "high": 0.6, "chance": 0.01}
    rows = {
        "clip": {"steps": [440], "cpu_s": [100.0, 110.0], "beside_first": 1.0, "metrics": {COLUMNS["pair →"]: one}},
        "clip+filip:9": {"steps": [99, 9], "cpu_s": [80.0, 80.0], "beside_first": 0.76, "metrics": {}},
    }
    said = {"rows": rows, "seeds": [0, 1], "confidence": 0.9, "scale": "debug", "source": {"name": "emoji"}, "machine": "m", "commit": "abcdefgh", "command": "c"}  # fmt: skip
    shown = table(said)
    assert "| `clip` | 440 | 105 | 50.0% ± 10.0% | – |" in shown
    assert "| `clip+filip:9` | 99 + 9 | 80 | – |" in shown
    assert "| chance | | | 1.0% | – |" in shown
    assert "more than 10% from the first's computing: `clip+filip:9` 0.76." in shown


def test_what_was_not_run_is_said_to_be_not_measured(tmp_path):
    assert f"{START}\nNot measured.\n{END}" in with_table(PAGE, [tmp_path / "none.json"])
