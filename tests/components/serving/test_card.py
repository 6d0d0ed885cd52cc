"""The model card names licences, scores and limits."""

import re

import pytest

from components.serving.card import model_card

METRIC = {"unit": "fraction", "better": "up", "n": 1234, "chance": 0.0123, "baseline": 0.25}
METRICS = {
    "retrieval.pair.image_to_text.recall_at_1": {"value": 0.526, "low": 0.481, "high": 0.57, **METRIC},
    "retrieval.pair.text_to_image.recall_at_10": {"value": 0.875, **METRIC},
    "retrieval.val.image_to_text.recall_at_1": {"value": 0.6, **METRIC},
}
FURTHER = {
    "zero_shot.pair.category.top1": {
        "value": 0.75,
        "low": 0.7,
        "high": 0.799,
        **METRIC,
        "method": "1 of 9 by the names of things",
    },
    "features.val.alignment": {"value": 0.886, **METRIC, "unit": "squared_distance"},
}
SOURCE = {"name": "emoji", "designers": {"noto": "OFL-1.1", "openmoji": "CC-BY-SA-4.0"}}


@pytest.fixture
def card() -> str:
    return made(METRICS, {})


def made(metrics: dict, without: dict) -> str:
    facts = [("seed", "0"), ("data", "abc")]
    return model_card("clip, laptop", "A paper (2021, arXiv:1234.5678)", SOURCE, facts, metrics, without)


def rows_of(card: str) -> list[list[str]]:
    """The cells of the table, its head first."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in card.splitlines() if line.startswith("|")]


def test_it_says_what_it_is(card):
    assert card.startswith("# clip, laptop\n")
    assert "A paper (2021, arXiv:1234.5678)" in card
    assert "- seed: 0\n- data: abc\n" in card


def test_every_designer_has_a_licence(card):
    assert "Source `emoji`" in card
    assert "- noto: OFL-1.1\n- openmoji: CC-BY-SA-4.0\n" in card


def test_every_score_stands_beside_chance_baseline_and_queries(card):
    head, rule, *rows = rows_of(card)
    assert head[-5:] == ["model", "95% between", "chance", "baseline", "queries"]
    assert all(re.fullmatch("-+", cell) for cell in rule)
    assert {len(row) for row in (head, rule, *rows)} == {8}
    assert [row[2:] for row in rows] == [
        ["R@1", "60.0%", "", "1.2%", "25.0%", "1,234"],
        ["R@1", "52.6%", "48.1–57.0%", "1.2%", "25.0%", "1,234"],
        ["R@10", "87.5%", "", "1.2%", "25.0%", "1,234"],
    ]
    assert rows[0][0].startswith("val: ")
    assert rows[1][0].startswith("pair: ")


def test_what_else_was_measured_stands_with_its_method_in_a_table_of_its_own():
    rows = rows_of(made(METRICS | FURTHER, {}))[5:]
    assert rows[0] == ["what", "split", "model", "95% between", "chance", "baseline", "n", "how"]
    assert rows[2:] == [
        ["category", "pair", "75.0%", "70.0–79.9%", "1.2%", "25.0%", "1,234", "1 of 9 by the names of things"],
        ["squared distance of picture and text", "val", "0.89", "", "0.01", "0.25", "1,234", ""],
    ]


def test_it_says_what_this_data_does_not_allow():
    said = made(METRICS, {"zero_shot.category": "no picture has a category"})
    assert "Not measured: zero_shot.category (no picture has a category)." in said


def test_it_says_what_it_is_not_for(card):
    assert "decisions about" in card


def test_it_loads_nothing_and_links_nowhere(card):
    assert not re.search(r"https?://|!\[|<[a-z]", card)
