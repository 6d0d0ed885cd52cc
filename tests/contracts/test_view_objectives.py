"""What every loss between views must do: each row of components/objectives/catalogue.yaml that says `between: views`.

Over ranks they are held to one process in tests/components/methods/test_clip_rocket.py, whose method has them all.
Axes: B pairs, D width.
"""

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from components.contracts.errors import ConfigError
from components.contracts.gathered import Gathered
from components.contracts.objective import Contrast, Objective
from components.recipes.section import build

CATALOGUE: dict[str, dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[2] / "components/objectives/catalogue.yaml").read_text()
)
ROWS = {name: row for name, row in CATALOGUE.items() if row.get("between") == "views"}
PAIRS, WIDTH, SCALE = 8, 5, 10.0
LEARNS = ("image", "text", "scale")  # what a loss may give a gradient


@pytest.fixture(params=sorted(ROWS))
def row(request) -> dict[str, Any]:
    return ROWS[request.param]


@pytest.fixture
def loss(row) -> Objective:
    built = build({name: row[name] for name in ("class_path", "init_args")}, Objective)
    assert not isinstance(built, Contrast)
    return built


def inputs(loss: Objective, seed: int = 0) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    names = inspect.signature(loss.forward).parameters
    return {
        name: torch.tensor(SCALE) if name == "scale" else torch.randn(PAIRS, WIDTH, generator=draw) for name in names
    }


def rows_of(given: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in given.items() if value.ndim}


def test_it_is_one_number_in_float32_also_of_bf16(loss):
    for length in (1e-4, 1.0, 1e4):
        given = {name: value.bfloat16() * (length if value.ndim else 1) for name, value in inputs(loss).items()}
        learns = [given[name].requires_grad_() for name in LEARNS if name in given]
        value = loss(**given)
        assert (value.shape, value.dtype) == ((), torch.float32)
        assert value.isfinite()
        assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(value, learns))


def test_shuffling_all_rows_changes_nothing_and_one_side_alone_does(loss):
    given, order = inputs(loss), torch.randperm(PAIRS, generator=torch.Generator().manual_seed(1))
    shuffled = given | {name: value[order] for name, value in rows_of(given).items()}
    torch.testing.assert_close(loss(**shuffled), loss(**given), rtol=1e-5, atol=0)
    assert abs(loss(**given | {"text": given["text"].roll(1, 0)}) - loss(**given)) > 1e-3


def test_only_directions_count_where_it_normalises(loss, row):
    given = inputs(loss)
    lengths = torch.rand(PAIRS, 1, generator=torch.Generator().manual_seed(2)) * 20 + 0.1
    longer = loss(**given | {name: value * lengths for name, value in rows_of(given).items()})
    assert torch.isclose(longer, loss(**given), rtol=1e-5) == row["normalises"]


def test_both_sides_are_treated_alike(loss):
    given = inputs(loss)
    other = {name: name.replace("image", "?").replace("text", "image").replace("?", "text") for name in given}
    swapped = {name: given[other[name]] for name in given}
    torch.testing.assert_close(loss(**swapped), loss(**given), rtol=1e-5, atol=0)


def test_gradients_reach_every_row_of_what_learns_and_of_nothing_else(loss):
    given = {name: value.requires_grad_() for name, value in inputs(loss).items()}
    loss(**given).backward()
    for name, value in given.items():
        if name in LEARNS:
            assert (value.grad.reshape(len(value) if value.ndim else 1, -1).abs().sum(1) > 0).all(), name
        else:
            assert value.grad is None, name


def test_a_step_along_the_gradient_lowers_the_loss(loss):
    given = inputs(loss)
    image = given["image"].requires_grad_()
    before = loss(**given)
    (gradient,) = torch.autograd.grad(before, image)
    assert loss(**given | {"image": (image - 0.01 * gradient / gradient.norm()).detach()}) < before


def test_several_texts_of_a_picture_are_refused(loss):
    given = inputs(loss)
    owned = Gathered(local=given["text"], all=given["text"], owner=torch.arange(PAIRS))
    with pytest.raises(ConfigError, match="rows have owners"):
        loss(**given | {"text": owned})
