"""Which training of those that one seed could give."""

from dataclasses import replace

import pytest

from components.contracts.errors import ConfigError
from components.recipes.recipe import load_recipe
from tests.workspace import REPOSITORY


def test_the_usual_training_is_by_the_seed_itself_and_others_are_of_seeds_that_nobody_gives():
    training = load_recipe(REPOSITORY, "clip", "debug").training
    assert [training.seed(seed) for seed in (0, 7)] == [0, 7]
    seeds = {replace(training, draw=draw).seed(seed) for draw in (1, 2) for seed in (0, 1, 2)}
    assert len(seeds) == 6
    assert min(seeds) > 1000
    assert max(seeds) < 2**32


def test_a_draw_below_the_first_is_refused():
    with pytest.raises(ConfigError, match=r"training\.draw is -1"):
        replace(load_recipe(REPOSITORY, "clip", "debug").training, draw=-1)
