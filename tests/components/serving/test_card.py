"""The model card names licences, scores and limits."""

import re

import pytest

from components.serving.card import model_card

METRIC = {"unit": "fraction", "better": "up", "n": 1234, "chance": 0.0123, "baseline": 0.25}
METRICS = {
    "retrieval.pair.image_to_text.recall_at_1": {"value": 0.526, **METRIC},
    "retrieval.pair.text_to_image.recall_at_10": {"value": 0.875, **METRIC},
    "retrieval.val.image_to_text.recall_at_1": {"value": 0.6, **METRIC},
}
SOURCE = {"name": "emoji", "designers": {"noto": "OFL-1.1", "openmoji": "CC-BY-SA-4.0"}}


@pytest.fixture
def card() -> str:
    return model_card(
        "clip, laptop", "A paper (2021, arXiv:1234.5678)", SOURCE, [("seed", "0"), ("data", "abc")], METRICS
    )


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
    assert head[-4:] == ["model", "chance", "baseline", "queries"]
    assert all(re.fullmatch("-+", cell) for cell in rule)
    assert {len(row) for row in (head, rule, *rows)} == {7}
    assert [row[2:] for row in rows] == [
        ["R@1", "60.0%", "1.2%", "25.0%", "1,234"],
        ["R@1", "52.6%", "1.2%", "25.0%", "1,234"],
        ["R@10", "87.5%", "1.2%", "25.0%", "1,234"],
    ]
    assert rows[0][0].startswith("val: ")
    assert rows[1][0].startswith("pair: ")


def test_it_says_what_it_is_not_for(card):
    assert "decisions about" in card


def test_it_loads_nothing_and_links_nowhere(card):
    assert not re.search(r"https?://|!\[|<[a-z]", card)
