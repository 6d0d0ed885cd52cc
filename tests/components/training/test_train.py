"""The loop learns, and a run that is cut off anywhere ends with the very same weights."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from components.contracts.errors import DataError, Interrupted, TransientError
from components.contracts.progress import silent
from components.data.batches import StepBatches
from components.methods.clip import Clip
from components.training.train import Optimisation, Scale, Trained, train

NUMBERS = Optimisation(lr=3e-3, weight_decay=0.1, clip_norm=1.0)
SCALE = Scale(batch=8, steps=12, pixels=24, precision="fp32", watch_every=4, checkpoint_every=5, curve_every=1)


def run(
    method: Clip, batches: StepBatches, folder: Path, *, stop_at: int | None = None, scale: Scale = SCALE,
    numbers: Optimisation = NUMBERS, told: Callable[[int], None] = lambda step: None,
) -> Trained:  # fmt: skip
    """Train; raise Interrupted when told of step `stop_at`, as the stage's progress does on a signal; tell `told` of each."""

    def progress(doing: str, done: int, total: int, **seen: float) -> None:
        if done == stop_at:
            raise Interrupted("stopped by the test")
        told(done)

    def watch(model: torch.nn.Module) -> dict[str, float]:
        return {"val.weight": float(next(model.parameters()).sum())}

    return train(
        method,
        batches,
        numbers,
        scale,
        seed=3,
        folder=folder,
        progress=progress,
        log=lambda step, values: None,
        watch=watch,
    )


def weights(method: Clip) -> torch.Tensor:
    """All weights and buffers in one row."""
    return torch.cat([value.flatten().float() for value in method.state_dict().values()])


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("stop_at", [1, 5, 12])
def test_a_run_cut_off_anywhere_ends_with_the_same_weights_and_curves(stop_at, optimizer, batches, method, tmp_path):
    numbers = replace(NUMBERS, optimizer=optimizer)
    started, again = copy.deepcopy(method), copy.deepcopy(method)
    whole = run(method, batches, tmp_path, numbers=numbers)
    cut = tmp_path / "cut"
    cut.mkdir()
    with pytest.raises(Interrupted):
        run(started, batches, cut, stop_at=stop_at, numbers=numbers)
    resumed = run(again, batches, cut, numbers=numbers)
    assert resumed.resumed_at == stop_at, "what asks us to stop loses no step"
    assert resumed.curves == whole.curves
    assert torch.equal(weights(again), weights(method))


def test_a_worker_that_is_killed_stops_training_in_one_sentence_and_another_number_goes_on_to_the_same_bits(
    batches, method, children, tmp_path
):
    started, again = copy.deepcopy(method), copy.deepcopy(method)
    whole = run(method, batches, tmp_path)

    def kill(step: int) -> None:
        if step == 7:
            children()[-1].kill()

    cut = tmp_path / "cut"
    cut.mkdir()
    with pytest.raises(TransientError, match="one of the 2 processes that make batches was lost"):
        run(started, batches, cut, scale=replace(SCALE, workers=2), told=kill)
    assert children() == []
    resumed = run(again, batches, cut, scale=replace(SCALE, workers=1))
    assert resumed.resumed_at >= 5
    assert resumed.curves == whole.curves
    assert torch.equal(weights(again), weights(method))


def test_the_loss_falls(batches, method, tmp_path):
    scale = Scale(batch=8, steps=60, pixels=24, precision="fp32", watch_every=60, curve_every=1)
    curves = run(method, batches, tmp_path, scale=scale).curves.splitlines()
    column = curves[0].split(",").index("train.loss")
    losses = [float(line.split(",")[column]) for line in curves[1:]]
    assert sum(losses[-5:]) < 0.85 * sum(losses[:5])


def test_a_loss_that_is_no_number_stops_training_and_names_samples(batches, method, tmp_path):
    with torch.no_grad():
        method.model.text_projection.linear.weight[0, 0] = float("nan")
    with pytest.raises(DataError, match=r"not finite.*square at the"):
        run(method, batches, tmp_path)


def test_curves_have_what_the_watch_says(batches, method, tmp_path):
    header, *rows = run(method, batches, tmp_path).curves.splitlines()
    watched = [row.split(",")[0] for row in rows if row.split(",")[header.split(",").index("val.weight")]]
    assert watched == ["4", "8", "12"]


def test_silence_is_a_progress():
    assert silent("training", 1, 2) is None
