import pyarrow as pa
import pytest

from components.contracts.errors import ConfigError
from components.curation.ops.link import Link, places
from components.data.manifest import SCHEMA
from tests.components.curation.toy import apply, manifest, row

TEXTS = [
    {"text": "A Ring above a small red ring, beside a ringlet", "kind": "alt", "lang": "en"},
    {"text": "ein roter Ring", "kind": "alt", "lang": "de"},
]


def said(link: Link, texts=TEXTS) -> list[list[str]]:
    """Return the words that each text's mentions are."""
    linked, _ = apply(link, pa.Table.from_pylist([row(0, texts=texts)], SCHEMA))
    return [
        [text["text"][place["first"] : place["last"]] for place in own]
        for text, own in zip(texts, linked["mentions"].to_pylist()[0], strict=True)
    ]


def test_without_a_list_the_things_that_english_captions_name_are_found_wherever_they_stand():
    assert said(Link()) == [["Ring", "ring", "ringlet"], []]


def test_terms_of_a_list_are_found_as_whole_words_in_every_language():
    assert said(Link(lexicon=["ring"])) == [["Ring", "ring"], ["Ring"]]
    assert said(Link(lexicon=["ring", "red ring"])) == [["Ring", "red ring"], ["Ring"]]


def test_what_a_pattern_would_read_otherwise_is_a_term_like_any():
    assert places("a (big) c++ book.", ["c++", "book.", "(big)"]) == [(2, 7), (8, 11), (12, 17)]
    assert places("a ring", []) == []


def test_a_share_is_left_out_by_the_key_and_the_seed_and_counted():
    whole, all_there = apply(Link(lexicon=["a", "of"]), manifest())
    some, report = apply(Link(lexicon=["a", "of"], missing=0.5), manifest())
    counts = [sum(len(own) for row in table["mentions"].to_pylist() for own in row) for table in (whole, some)]
    assert (all_there.stats["mentions"], all_there.stats["left out"]) == (counts[0], 0)
    assert (report.stats["mentions"], report.stats["left out"]) == (counts[1], counts[0] - counts[1])
    assert 0.3 * counts[0] < counts[1] < 0.7 * counts[0]


@pytest.mark.parametrize(
    ("numbers", "why"), [({"lexicon": ["ring", " "]}, "none of them empty"), ({"lexicon": []}, "Give terms"), ({"missing": 1.0}, "missing is 1.0")]
)  # fmt: skip
def test_numbers_that_mean_nothing_are_refused(numbers, why):
    with pytest.raises(ConfigError, match=why):
        Link(**numbers)
