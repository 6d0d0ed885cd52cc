"""What a method does after a step has happened before anybody looks at the step: checkpoint and watch alike."""

import copy
from pathlib import Path

import pytest
import torch

from components.contracts.errors import Interrupted
from components.contracts.progress import silent
from components.training.numbers import Optimisation, Scale
from components.training.train import train

NUMBERS = Optimisation(lr=1e-3, weight_decay=0.0)
SCALE = Scale(batch=8, steps=4, pixels=24, precision="fp32", watch_every=1, checkpoint_every=1, curve_every=1)
BOUND = 100 * (1 + 1e-6)  # float32's log(100) is a little more


def scales_after_steps(method, batches, folder: Path, progress=silent) -> list[float]:
    """Train, and return the scale as the watch sees it after every step."""
    seen = []

    def watch(model: torch.nn.Module) -> dict[str, float]:
        seen.append(float(model.logit_scale().detach()))
        return {}

    train(
        method, batches, NUMBERS, SCALE, seed=3, folder=folder, progress=progress, log=lambda step, values: None,
        watch=watch,
    )  # fmt: skip
    return seen


@pytest.fixture
def above(method):
    """A method whose scale starts at 150, where 100 is the most."""
    torch.nn.init.constant_(method.model.logit_scale.log_scale, torch.tensor(150.0).log().item())
    return method


def test_the_watch_sees_the_scale_within_its_bound_after_every_step(above, batches, tmp_path):
    seen = scales_after_steps(above, batches, tmp_path)
    assert len(seen) == SCALE.steps
    assert max(seen) <= BOUND
    assert seen[0] == pytest.approx(100)


def test_the_checkpoint_holds_the_scale_within_its_bound(above, batches, tmp_path):
    def stop_after_one(doing: str, done: int, total: int, **seen: float) -> None:
        raise Interrupted("stopped by the test")

    whole = copy.deepcopy(above)
    (tmp_path / "whole").mkdir()
    scales_after_steps(whole, batches, tmp_path / "whole")
    again = copy.deepcopy(above)
    with pytest.raises(Interrupted):
        scales_after_steps(above, batches, tmp_path, progress=stop_after_one)
    (left,) = tmp_path.glob("*.ckpt")
    kept = torch.load(left, weights_only=True)["state_dict"]
    assert kept["method.model.logit_scale.log_scale"].exp() <= BOUND
    scales_after_steps(again, batches, tmp_path)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in whole.state_dict().items())
