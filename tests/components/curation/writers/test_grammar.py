import random

import pytest

from components.contracts.errors import ConfigError
from components.curation.phrases import phrases
from components.curation.writers.grammar import GrammarWriter
from components.data.synthetic.writer import GRAMMARS, told, write
from tests.components.curation.scenes import some_scenes


def test_it_names_what_the_caption_names_and_nothing_else():
    luck = random.Random(0)
    for scene in some_scenes(40):
        caption = write("short", scene, told("short", scene, luck), GRAMMARS["en"])
        written = GrammarWriter().write(caption, phrases(caption), luck)
        assert written
        assert set(phrases(written)) == set(phrases(caption))


def test_articles_and_numbers_stand_where_they_belong():
    writer = GrammarWriter(templates=["look: {}!"])
    assert writer.write("", phrases("an orange star"), random.Random(0)) == "look: an orange star!"
    assert writer.write("", phrases("two small dogs"), random.Random(0)) == "look: two small dogs!"
    assert writer.write("", phrases("a cat, a dog and a bird"), random.Random(0)).count(" and ") == 1


@pytest.mark.parametrize("templates", [[], ["a picture"], ["{} and {}"]])
def test_templates_without_one_place_are_refused(templates):
    with pytest.raises(ConfigError, match="templates are"):
        GrammarWriter(templates=templates)
