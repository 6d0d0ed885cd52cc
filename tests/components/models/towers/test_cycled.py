"""A text tower that reads itself again: the plain one without rounds, and padding that changes nothing."""

import pytest
import torch

from components.contracts.batch import Texts
from components.contracts.errors import ConfigError
from components.models.towers.cycled import CycledTextTower
from components.models.towers.text import TextTower

TEXTS = Texts(ids=torch.tensor([[1, 5, 2], [1, 7, 2]]), mask=torch.ones(2, 3, dtype=torch.bool))


def test_without_rounds_it_is_the_plain_tower():
    torch.manual_seed(0)
    plain = TextTower(20, 6, width=16, depth=1)
    cycled = CycledTextTower(20, 6, width=16, depth=1, cycles=0)
    cycled.load_state_dict(plain.state_dict())
    assert torch.equal(cycled(TEXTS).features, plain(TEXTS).features)


def test_rounds_add_to_the_vector_and_padding_adds_nothing():
    torch.manual_seed(0)
    tower = CycledTextTower(20, 6, width=16, depth=1, cycles=2).eval()
    seen = tower(TEXTS)
    assert not torch.allclose(seen.features, seen.tokens.mean(1))
    wide = Texts(ids=torch.nn.functional.pad(TEXTS.ids, (0, 2)), mask=torch.nn.functional.pad(TEXTS.mask, (0, 2)))
    torch.testing.assert_close(tower(wide).features, seen.features)
    with pytest.raises(ConfigError, match="cycles is -1"):
        CycledTextTower(20, 6, cycles=-1)
