"""The model card names licences, scores and limits."""

import re

import pytest
from huggingface_hub import ModelCard

from components.serving.card import About, model_card
from components.serving.card_metadata import licence

METRIC = {"unit": "fraction", "better": "up", "n": 1234, "chance": 0.0123, "baseline": 0.25}
METRICS = {
    "retrieval.pair.image_to_text.recall_at_1": {"value": 0.526, "low": 0.481, "high": 0.57, **METRIC},
    "retrieval.pair.text_to_image.recall_at_10": {"value": 0.875, **METRIC},
    "retrieval.val.image_to_text.recall_at_1": {"value": 0.6, **METRIC},
}
FURTHER = {
    "zero_shot.pair.category.top1": {
        "value": 0.75,
        "data": "cd" * 32,
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
    return model_card(
        About(
            name="siglip", title="clip, laptop", paper="A paper (2021, arXiv:1234.5678)", source=SOURCE, data="ab" * 32, facts=facts,
            metrics=metrics, without=without, licences={"OFL-1.1": 30, "CC-BY-SA-4.0": 12}, languages={"en": 40, "und": 2},
            use={"In a shell": ".venv/bin/diptych status\n", "In Python": "import json\n"},
        )
    )  # fmt: skip


def rows_of(card: str) -> list[list[str]]:
    """The cells of the table, its head first."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in card.splitlines() if line.startswith("|")]


def test_it_says_what_it_is(card):
    assert "---\n\n# clip, laptop\n" in card
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
    said = made(METRICS, {"zero_shot.pair.category": "no picture has a category"})
    assert "Not measured: zero_shot.pair.category (no picture has a category)." in said


def test_it_says_what_it_is_not_for(card):
    assert "decisions about" in card


def test_it_loads_nothing_and_links_nowhere(card):
    assert not re.search(r"https?://|!\[|<[a-z]", card)


def test_hugging_face_reads_what_it_is_and_every_number_as_it_was_measured():
    """Through huggingface_hub's own parser, which the Hub's pages are made with."""
    card = ModelCard(made(METRICS | FURTHER, {}))
    about = card.data
    assert about.pipeline_tag == "zero-shot-image-classification"
    assert about.library_name == "diptych"
    assert about.language == ["en"]
    assert about.metrics == ["accuracy", "recall"]
    assert about.license == "other"
    assert about.license_name == "of the training pictures: CC-BY-SA-4.0, OFL-1.1"
    read = {(one.dataset_split, one.metric_type, one.metric_name): one for one in about.eval_results}
    assert len(read) == len(about.eval_results) == 4
    assert read["pair", "recall", "R@1, picture → name"].metric_value == 0.526
    assert read["pair", "recall", "R@1, picture → name"].metric_args == {
        "low": 0.481, "high": 0.57, "chance": 0.0123, "baseline": 0.25, "n": 1234,
    }  # fmt: skip
    asked = read["pair", "accuracy", "top 1"]
    assert (asked.task_type, asked.task_name, asked.metric_value) == (about.pipeline_tag, "zero-shot by category", 0.75)
    assert (asked.dataset_type, asked.dataset_revision) == ("emoji", "cd" * 32), "of what it was measured on"
    assert read["pair", "recall", "R@1, picture → name"].dataset_revision == "ab" * 32
    assert ModelCard(str(card)).data.to_dict() == about.to_dict()


def test_the_sections_are_those_of_hugging_faces_template(card):
    wanted = [
        "Model details", "Uses", "Bias, risks and limitations", "How to get started", "Training data", "Training procedure", "Evaluation",
    ]  # fmt: skip
    assert re.findall(r"^## (.*)$", card, re.M) == wanted
    assert "```sh\n.venv/bin/diptych status\n```" in card
    assert "```python\nimport json\n```" in card


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"CC0-1.0": 5}, {"license": "cc0-1.0"}),
        ({"NOASSERTION": 5}, {"license": "unknown"}),
        ({}, {"license": "unknown"}),
        ({"LicenseRef-mine": 5}, {"license": "other", "license_name": "of the training pictures: LicenseRef-mine"}),
        (
            {"CC0-1.0": 5, "NOASSERTION": 1},
            {"license": "other", "license_name": "of the training pictures: CC0-1.0, of some nobody stated one"},
        ),
    ],
)
def test_no_licence_is_stated_that_is_not_known(counts, said):
    assert licence(counts) == said
