import random

import pytest

from components.contracts.errors import ConfigError
from components.curation.writers.dictionary import DictionaryWriter


def test_words_of_the_list_give_way_with_their_capitals_and_others_stay():
    writer = DictionaryWriter({"small": ["tiny", "little"], "circle": ["disc"]}, chance=1.0)
    written = {writer.write("Small circles? A small circle.", (), random.Random(at)) for at in range(20)}
    assert written == {f"{one} circles? A {other} disc." for one in ("Tiny", "Little") for other in ("tiny", "little")}
    assert (writer.means("disc"), writer.means("circle")) == ("circle", "circle")


def test_a_caption_without_such_a_word_is_not_written():
    assert DictionaryWriter({"small": ["tiny"]}).write("a star", (), random.Random(0)) is None


@pytest.mark.parametrize(
    ("words", "chance", "says"),
    [
        ({}, 0.5, "words has no word"), ({"small": []}, 0.5, "words has no word"), ({"small": ["tiny"]}, 0.0, "chance is 0.0"),
        ({"small": ["very small"]}, 0.5, "takes single words in lower case"), ({"Small": ["tiny"]}, 0.5, "in lower case"),
        ({"small": ["tiny"], "short": ["tiny"]}, 0.5, "'tiny' means 'short', and something else too"),
        ({"small": ["large"], "large": ["big"]}, 0.5, "'large' means 'small', and something else too"),
    ],
)  # fmt: skip
def test_a_list_that_would_change_facts_is_refused(words, chance, says):
    with pytest.raises(ConfigError, match=says):
        DictionaryWriter(words, chance)
