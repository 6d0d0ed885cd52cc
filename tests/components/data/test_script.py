"""The language of a text by its letters, and of a tag."""

import pytest

from components.data.script import language_by_script, stated_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("a red heart", "und-Latn"), ("ein rotes Herz, größer", "und-Latn"), ("красное сердце", "und-Cyrl"), ("赤いハート", "ja"),
        ("红色的心", "und-Hani"), ("빨간 하트", "ko"), ("หัวใจสีแดง", "th"), ("κόκκινη καρδιά", "el"), ("लाल दिल", "und-Deva"), ("12 ❤️ !", "und"),
        ("", "und"), ("ok красное сердце", "und-Cyrl"), ("ᚠᚢᚦ", "und"),
    ],
)  # fmt: skip
def test_letters_tell_the_script_and_only_that(text, language):
    assert language_by_script(text) == language


@pytest.mark.parametrize(
    ("said", "language"),
    [("de", "de"), ("de-CH", "de"), ("EN, fr", "en"), ("", None), ("../etc", None), ("english", None), ("e", None)],
)
def test_a_tag_names_its_language_or_none(said, language):
    assert stated_language(said) == language
