"""Trainings by a contrast within both wrappers: encoded in parts, and cut off and resumed."""

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from components.contracts.errors import Interrupted
from components.contracts.method import Clock
from components.contracts.objective import Contrast
from components.data.batches import StepBatches
from components.methods.clip import Clip
from components.models.dual_encoder import DualEncoder
from components.models.projection import LogitScale
from components.objectives.matryoshka import Matryoshka
from components.objectives.mine_hard_negatives import MineHardNegatives
from components.objectives.sigmoid import SigmoidLoss
from components.objectives.signals.hard_negatives import HardNegatives
from components.objectives.softmax import SoftmaxLoss
from components.training.grad_cache import GradCache
from tests.components.training.flat import flat_clip
from tests.components.training.test_train import SCALE, run, weights

MINED = {"skip": 1, "take": 4}


@pytest.fixture(params=[SoftmaxLoss, SigmoidLoss])
def wrapped(request, vocabulary) -> Callable[[], Clip]:
    """Makes a small method with both wrappers around a contrast, the same at every call."""

    def made() -> Clip:
        inner: Contrast = request.param()
        objective = Matryoshka(MineHardNegatives(inner, HardNegatives(**MINED)), widths=(0.5, 4))
        plain = flat_clip(vocabulary, dropout=0.1).model
        scale = LogitScale(bias=-5.0 if inner.wants_bias else None)
        return Clip(DualEncoder(plain.image, plain.text, width=16, logit_scale=scale), objective)

    return made


@pytest.mark.parametrize("micro_batch", [3, 8])
def test_a_batch_in_parts_has_the_gradients_of_the_whole(micro_batch, wrapped, batches: StepBatches):
    clock, batch = Clock(step=0, total_steps=1, epoch=0), batches[0]
    plain, cached = (copy.deepcopy(wrapped()).eval() for _ in range(2))  # without dropout, which parts draw otherwise
    plain.losses(batch, clock).terms["contrast"].backward()
    cache = GradCache(cached.model, micro_batch)
    with cache.caching():
        loss = cached.losses(batch, clock).terms["contrast"]
    loss.backward()
    cache.replay()
    for (name, ours), (_, whole) in zip(cached.named_parameters(), plain.named_parameters(), strict=True):
        assert whole.grad.any(), name
        torch.testing.assert_close(ours.grad, whole.grad, rtol=1e-4, atol=1e-5 * float(whole.grad.abs().max()))


def test_a_run_cut_off_ends_with_the_same_weights_and_curves(wrapped, batches, tmp_path):
    scale = replace(SCALE, micro_batch=3)
    method, started, again = wrapped(), wrapped(), wrapped()
    whole = run(method, batches, tmp_path, scale=scale)
    cut = tmp_path / "cut"
    cut.mkdir()
    with pytest.raises(Interrupted):
        run(started, batches, cut, stop_at=7, scale=scale)
    resumed = run(again, batches, cut, scale=scale)
    assert resumed.resumed_at == 7
    assert resumed.curves == whole.curves
    assert torch.equal(weights(again), weights(method))
