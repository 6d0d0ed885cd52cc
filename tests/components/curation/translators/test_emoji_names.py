"""The names of emoji, as people translated them."""

import pickle

import pytest

from components.curation.translators.emoji_names import EmojiNames
from components.data.language import fits_script
from components.data.sources.emoji_wheels import LANGUAGES


@pytest.fixture(scope="module")
def names() -> EmojiNames:
    return EmojiNames()


def test_names_are_said_in_all_languages_and_back(names):
    assert names.translate("Red Heart", "en", "de") == "rotes herz"
    assert names.translate("red heart", "en", "es") == "corazón rojo"
    assert names.translate("rotes Herz", "de", "en") == "red heart"
    assert names.translate("a red heart", "en", "de") is None
    for code in set(LANGUAGES) - {"en"}:
        said = names.translate("grinning cat", "en", code)
        assert said
        assert fits_script(said, code)


def test_it_says_what_it_can_before_it_reads_anything():
    names = EmojiNames()
    assert len(names.pairs) == 2 * (len(LANGUAGES) - 1)
    assert vars(names) == {}


def test_another_process_reads_the_names_itself(names):
    names.translate("red heart", "en", "de")
    sent = pickle.dumps(names)
    assert len(sent) < 200
    assert pickle.loads(sent).translate("red heart", "en", "de") == "rotes herz"
