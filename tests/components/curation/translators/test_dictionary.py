"""A dictionary says whole captions, words, and both of them back."""

import pytest

from components.contracts.errors import ConfigError
from components.curation.translators.dictionary import DictionaryTranslator

WORDS = {"de": {"red": "rot", "cat": "Katze", "red cat": "rote Katze"}}


def test_whole_captions_go_before_words_and_case_does_not_count():
    translator = DictionaryTranslator(WORDS)
    assert translator.translate(" Red cat ", "en", "de") == "rote Katze"
    assert translator.translate("Cat, red: 7", "en", "de") == "Katze, rot: 7"
    assert translator.translate("rote katze", "de", "en") == "red cat"
    assert translator.translate("a cat", "en", "de") is None, "one word is not listed"
    assert translator.translate("7", "en", "de") is None, "there is no word"
    assert translator.pairs == {("en", "de"), ("de", "en")}
    assert translator.kept_as == ""


def test_of_two_words_with_one_translation_the_first_comes_back():
    assert DictionaryTranslator({"de": {"bank": "Bank", "bench": "Bank"}}).translate("Bank", "de", "en") == "bank"


@pytest.mark.parametrize(
    ("words", "said"),
    [({}, "words is empty"), ({"de": {}}, "words has de"), ({"en": {"a": "b"}}, "each language but en"), ({"de": {"Cat": "Katze"}}, "Write 'cat'")],
)  # fmt: skip
def test_lists_that_say_nothing_are_refused(words, said):
    with pytest.raises(ConfigError, match=said):
        DictionaryTranslator(words)
