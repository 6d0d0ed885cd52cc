"""The mirror of locked-image tuning: what a text is said to be stays to the last bit, and pictures move."""

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from components.contracts.batch import Images
from components.finetuning.locked_text import LockedText


def test_texts_stay_to_the_last_bit_and_pictures_move(clip, vocabulary, squares):
    model, rows = clip.model, vocabulary([texts[0] for texts in squares.captions[:6]])
    pixels = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    model.eval()
    before = model.encode_text(rows).pooled, model.encode_image(Images(pixels=pixels)).pooled
    freeze = LockedText().prepare(model)
    freeze.apply()
    learner = torch.optim.SGD([one for one in model.parameters() if one.requires_grad], lr=0.1)
    with freeze.held():
        seen = model.encode_image(Images(pixels=pixels)).pooled
        (seen @ model.encode_text(rows).pooled.T).square().mean().backward()
        learner.step()
    model.eval()
    assert torch.equal(model.encode_text(rows).pooled, before[0])
    assert not torch.allclose(model.encode_image(Images(pixels=pixels)).pooled, before[1])


def test_all_of_the_picture_side_trains_but_batch_norms(clip):
    freeze = LockedText().prepare(clip.model)
    norms = {
        f"{name}.{own}" for name, part in clip.model.named_modules() if isinstance(part, _BatchNorm) for own, _ in part.named_parameters(recurse=False)
    }  # fmt: skip
    assert norms, "the tower has some"
    trained = {name for name, _ in clip.model.named_parameters() if freeze.is_trained(name)}
    wanted = {name for name, _ in clip.model.named_parameters() if not name.startswith("text")} - norms
    assert trained == wanted
