"""The loop over steps against Lightning's own: the same weights, curves and counts, and checkpoints that either goes on from."""

import copy
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch

from components.contracts.errors import Interrupted
from components.training import train as training
from components.training.checkpoints import Checkpoints
from components.training.step_loop import StepLoop
from tests.components.training.test_train import NUMBERS, run, weights


def lightnings_own(trainer: L.Trainer) -> Any:
    return trainer.fit_loop.epoch_loop


def kept(folder: Path) -> dict[str, Any]:
    newest = Checkpoints(folder).newest(say=print)
    assert newest
    return torch.load(newest.path, weights_only=True)


def test_a_run_is_lightnings_own_to_the_bit_and_either_goes_on_from_the_others_checkpoint(
    batches, method, tmp_path, monkeypatch
):
    assert NUMBERS.clip_norm, "clipping is part of a step"
    loops = {"ours": StepLoop, "theirs": lightnings_own}
    whole, cut, methods = {}, {}, {name: copy.deepcopy(method) for name in loops}
    for name, loop in loops.items():
        monkeypatch.setattr(training, "StepLoop", loop)
        (tmp_path / name).mkdir()
        whole[name] = run(methods[name], batches, tmp_path / name)
        cut[name] = tmp_path / f"{name}, cut"
        cut[name].mkdir()
        with pytest.raises(Interrupted):
            run(copy.deepcopy(method), batches, cut[name], stop_at=7)
    assert whole["ours"].curves == whole["theirs"].curves
    assert torch.equal(weights(methods["ours"]), weights(methods["theirs"]))
    ours, theirs = (kept(cut[name]) for name in loops)
    assert ours["loops"] == theirs["loops"]
    assert ours["global_step"] == theirs["global_step"] == 7
    for name, other in (("ours", "theirs"), ("theirs", "ours")):
        monkeypatch.setattr(training, "StepLoop", loops[name])
        resumed = copy.deepcopy(method)
        assert run(resumed, batches, cut[other]).resumed_at == 7
        assert torch.equal(weights(resumed), weights(methods["ours"]))


def test_a_hook_that_is_never_asked_is_refused():
    class Late(L.Callback):
        def on_after_backward(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
            raise NotImplementedError

    with pytest.raises(
        ValueError, match=r"Late has on_after_backward, which .* does not ask\. Use one of on_train_batch_start,"
    ):
        StepLoop(
            L.Trainer(max_steps=1, logger=False, enable_checkpointing=False, accelerator="cpu", callbacks=[Late()])
        )
