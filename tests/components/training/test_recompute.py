"""Blocks that are computed again give the same bits and keep less."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from components.contracts.errors import CapabilityError
from components.contracts.method import Clock
from components.methods.clip import Clip
from components.models.dual_encoder import DualEncoder
from components.models.towers.image import ImageTower
from components.models.towers.text import TextTower
from components.objectives.softmax import SoftmaxLoss
from components.training.recompute import recomputed
from tests.components.training.test_train import SCALE, run, weights

VIT = {"img_size": 24, "patch_size": 8, "embed_dim": 16, "depth": 3, "num_heads": 2, "proj_drop_rate": 0.1}


@pytest.fixture
def vit(vocabulary) -> Clip:
    """Two transformers with dropout."""
    torch.manual_seed(5)
    text = TextTower(vocabulary=len(vocabulary), context=vocabulary.context, width=16, depth=2, heads=2, dropout=0.1)
    return Clip(DualEncoder(ImageTower("vit_tiny_patch16_224", VIT), text, width=16), SoftmaxLoss())


def stepped(method: Clip, batch, again: bool) -> tuple[torch.Tensor, int]:
    """Return loss and the bytes that were kept for the gradient, which is left in the parameters."""
    kept = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel() * tensor.element_size())
        return tensor

    torch.manual_seed(1)
    with recomputed(method.model, again):
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = method.losses(batch, Clock(step=0, total_steps=1, epoch=0)).terms["contrast"]
        loss.backward()
    return loss.detach(), sum(kept)


def test_loss_and_gradient_have_the_same_bits_and_less_is_kept(vit, batches):
    plain, batch = copy.deepcopy(vit), batches[0]
    loss, kept = stepped(vit, batch, again=True)
    whole, all_of_it = stepped(plain, batch, again=False)
    assert torch.equal(loss, whole)
    assert all(torch.equal(p.grad, q.grad) for p, q in zip(vit.parameters(), plain.parameters(), strict=True))
    assert kept < all_of_it / 3


def test_a_training_has_the_same_bits_and_leaves_the_model_as_it_was(vit, batches, tmp_path):
    plain, folder = copy.deepcopy(vit), tmp_path / "plain"
    folder.mkdir()
    run(plain, batches, folder)
    computed = []
    vit.model.text.blocks[0].feed.register_forward_hook(lambda *args: computed.append(1))
    run(vit, batches, tmp_path, scale=replace(SCALE, recompute=True))
    assert len(computed) == 2 * SCALE.steps
    assert torch.equal(weights(vit), weights(plain))
    assert not any("forward" in vars(part) for part in vit.modules())


def test_a_batch_norm_in_a_block_is_refused_by_name(method):
    with (
        pytest.raises(CapabilityError, match=r"image\.net\.\S+ is a BatchNorm2d: computed twice"),
        recomputed(method.model, wanted=True),
    ):
        pass


def test_a_model_without_blocks_is_refused():
    with (
        pytest.raises(CapabilityError, match="no tower of this Linear opens into blocks"),
        recomputed(nn.Linear(2, 2), wanted=True),
    ):
        pass
