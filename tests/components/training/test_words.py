"""A tower that does not know all words is refused before the first step."""

import pytest

from components.contracts.errors import ConfigError
from components.models.towers.text import TextTower
from components.training.words import check_words
from tests.components.training.test_train import run


def test_a_tower_of_the_tokenizers_size_is_fine(method, batches):
    check_words(method, batches.captions.values())


def test_a_table_that_is_too_small_is_refused_before_training(method, batches, tmp_path):
    most = int(batches.captions["caption"].tokens.max())
    method.model.text = TextTower(vocabulary=most, context=12, width=16, depth=1, heads=2)
    with pytest.raises(ConfigError, match=rf"model\.text embeds {most} tokens, but the captions have ids up to {most}"):
        run(method, batches, tmp_path)


def test_too_few_positions_are_refused(method, batches, vocabulary):
    method.model.text = TextTower(vocabulary=len(vocabulary), context=2, width=16, depth=1, heads=2)
    with pytest.raises(ConfigError, match=r"model\.text reads 2 tokens, but the longest caption has \d+"):
        check_words(method, batches.captions.values())
