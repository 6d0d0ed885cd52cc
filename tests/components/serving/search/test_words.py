"""What a person types, as a question to the full-text index."""

import pytest

from components.serving.search.words import MAX_WORDS, phrases, question, spaced


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("red heart", '"red" OR "heart"*'),
        ("Red", '"red"*'),
        ("r", '"r"'),
        ("  ", ""),
        ("!?", ""),
        ('he said "x" OR NOT', '"he" OR "said" OR "x" OR "or" OR "not"*'),
        ("赤い", '"赤" OR "い"'),
        ("लाल किताब", '"लाल" OR "किताब"*'),
        ("scho\u0308n", '"scho\u0308n"*'),
        ("İstanbul", '"i\u0307stanbul"*'),
        ("\u0301 \u0301", ""),
        ("key-1 near(a)", '"key" OR "1" OR "near" OR "a"'),
    ],
)
def test_any_of_the_words_the_last_of_which_may_be_unfinished(typed, asked):
    assert question(phrases(typed)) == asked


def test_no_more_words_than_say_anything():
    assert len(phrases("w " * 1000)) == MAX_WORDS


def test_scripts_without_spaces_are_taken_character_by_character():
    assert spaced("a赤い") == "a 赤  い "
    assert spaced("plain words") == "plain words"
