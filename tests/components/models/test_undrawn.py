"""Nothing is drawn while weights are to be read anyway, and everything is again afterwards."""

import torch
from torch import nn

from components.models.towers.image import ImageTower
from components.models.undrawn import undrawn


def test_no_draw_is_taken_and_what_is_no_draw_is_as_ever():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    with undrawn():
        tower = ImageTower("test_vit", {"img_size": 32})
        nn.Embedding(10, 4)
        norm = nn.LayerNorm(4)
    assert torch.equal(torch.get_rng_state(), before)
    assert tower.mean.flatten().tolist() == [0.5] * 3
    assert norm.weight.tolist() == [1.0] * 4
    drawn = nn.Linear(4, 4)
    assert not torch.equal(torch.get_rng_state(), before)
    assert drawn.weight.std() > 0


def test_a_module_that_reads_its_weights_is_the_one_that_was_drawn():
    torch.manual_seed(0)
    drawn = ImageTower("test_vit", {"img_size": 32}).eval()
    with undrawn():
        read = ImageTower("test_vit", {"img_size": 32}).eval()
    read.load_state_dict(drawn.state_dict())
    pixels = torch.rand(2, 3, 32, 32)
    from components.contracts.batch import Images

    assert torch.equal(read(Images(pixels=pixels)).pooled, drawn(Images(pixels=pixels)).pooled)
