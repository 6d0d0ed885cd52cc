"""What every contrast must do, whichever it is: each row of components/objectives/catalogue.yaml is held to it.

Those between views are held to test_view_objectives.py.

Axes: B pairs, D shared width.
"""

import importlib
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor
from torch.nn.functional import normalize

from components.contracts.errors import ConfigError
from components.contracts.gathered import Gathered
from components.contracts.objective import Contrast, Objective, Wrapper
from components.recipes.section import build
from tests.components.training.gathering import KINDS, NAMES, described, outcome
from tests.over_ranks import told_by_ranks

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "components" / "objectives"
CATALOGUE: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "catalogue.yaml").read_text())
PAIRS, WIDTH = 8, 16
ROLES = {"image": (PAIRS, WIDTH), "text": (PAIRS, WIDTH), "scale": (), "bias": ()}  # what a loss may ask for, by name
NUMBERS = {"scale": 10.0, "bias": -10.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A loss of the catalogue, and how it is called."""

    row: dict[str, Any]
    loss: Contrast

    @property
    def innermost(self) -> Contrast:
        """The loss itself, within what stands around it."""
        return self.loss.innermost if isinstance(self.loss, Wrapper) else self.loss

    @property
    def takes(self) -> list[str]:
        """Names of what it must be given; what a method may bring besides has a default. A wrapper takes what it is around."""
        taken = inspect.signature(self.innermost.forward).parameters.values()
        return [one.name for one in taken if one.default is inspect.Parameter.empty]

    def inputs(self, seed: int, **given: Tensor) -> dict[str, Tensor]:
        """Draw features, and take the usual scale and bias, where nothing is given."""
        draw = torch.Generator().manual_seed(seed)
        drawn = {name: torch.randn(ROLES[name], generator=draw) for name in ("image", "text")}
        numbers = {name: torch.tensor(value) for name, value in NUMBERS.items()}
        return {name: {**drawn, **numbers, **given}[name] for name in self.takes}

    def __call__(self, **inputs: Tensor) -> Tensor:
        """Return the loss."""
        return self.loss(**inputs)


@pytest.fixture(params=NAMES)
def name(request) -> str:
    return request.param


@pytest.fixture
def case(name) -> Case:
    return Case(row=CATALOGUE[name.partition(" of ")[0]], loss=build(described(name), Contrast))


@pytest.fixture(params=range(3))
def seed(request) -> int:
    return request.param


def test_it_asks_only_for_what_methods_have(case):
    assert set(case.takes) <= set(ROLES)
    assert {"image", "text"} <= set(case.takes)


def test_it_is_one_number(case, seed):
    loss = case(**case.inputs(seed))
    assert loss.shape == ()
    assert torch.isfinite(loss)


def test_shuffling_the_pairs_changes_nothing(case, seed):
    inputs = case.inputs(seed)
    order = torch.randperm(PAIRS, generator=torch.Generator().manual_seed(seed))
    shuffled = inputs | {"image": inputs["image"][order], "text": inputs["text"][order]}
    torch.testing.assert_close(case(**shuffled), case(**inputs), rtol=1e-5, atol=0)  # the sum runs in another order


def test_shuffling_one_side_alone_does_change_it(case, seed):
    inputs = case.inputs(seed)
    loss = case(**inputs | {"text": inputs["text"].roll(1, 0)})
    assert abs(loss - case(**inputs)) > 1e-3


def test_only_directions_count_where_it_normalises(case, seed):
    inputs = case.inputs(seed)
    lengths = torch.rand(PAIRS, 1, generator=torch.Generator().manual_seed(seed)) * 20 + 0.1
    longer = case(**inputs | {"image": inputs["image"] * lengths, "text": inputs["text"] * 7})
    if case.row["normalises"]:
        torch.testing.assert_close(longer, case(**inputs), rtol=1e-5, atol=0)
    else:
        assert not torch.isclose(longer, case(**inputs))


def test_a_better_match_lowers_the_loss(case, seed):
    inputs = case.inputs(seed)
    losses = [
        float(case(**inputs | {"image": inputs["image"] + pull * inputs["text"]}))
        for pull in (0.0, 0.25, 0.5, 1.0, 2.0)
    ]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > losses[-1] + 0.1


def test_both_sides_are_treated_alike(case, seed):
    inputs = case.inputs(seed)
    swapped = inputs | {"image": inputs["text"], "text": inputs["image"]}
    torch.testing.assert_close(case(**swapped), case(**inputs), rtol=1e-5, atol=0)


def test_gradients_reach_every_row_of_every_input(case, seed):
    inputs = {name: value.requires_grad_() for name, value in case.inputs(seed).items()}
    gradients = dict(zip(inputs, torch.autograd.grad(case(**inputs), list(inputs.values())), strict=True))
    for name, gradient in gradients.items():
        reached = gradient.abs().sum(-1) if gradient.ndim else gradient.abs()
        assert (reached > 0).all(), name


def test_a_step_along_the_gradient_lowers_the_loss(case, seed):
    inputs = case.inputs(seed)
    image = inputs["image"].requires_grad_()
    before = case(**inputs | {"image": image})
    (gradient,) = torch.autograd.grad(before, image)
    assert case(**inputs | {"image": (image - 0.01 * normalize(gradient, dim=-1)).detach()}) < before


@pytest.mark.parametrize("length", [1e-4, 1.0, 1e4])
def test_it_is_finite_in_bf16_at_the_highest_scale(case, seed, length):
    given = {"scale": torch.tensor(100.0)}
    inputs = {name: value.bfloat16() for name, value in case.inputs(seed, **given).items()}
    inputs = {name: (value * length if value.ndim else value).requires_grad_() for name, value in inputs.items()}
    loss = case(**inputs)
    assert torch.isfinite(loss)
    assert loss.dtype == torch.float32  # eight bits of a loss are too few to add up
    assert all(torch.isfinite(gradient).all() for gradient in torch.autograd.grad(loss, list(inputs.values())))


@pytest.fixture(scope="module")
def ranks(tmp_path_factory) -> list[dict[str, Any]]:
    """What two real ranks say of every loss."""
    return told_by_ranks("tests.components.training.gathering", tmp_path_factory.mktemp("ranks"), world=2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["features", "ring", "detached"])
@pytest.mark.parametrize("name", NAMES)
def test_two_ranks_equal_one_in_value_and_in_the_gradient_of_every_parameter(name, mode, kind, ranks):
    one, (first, second) = outcome(name, mode, kind), (rank[f"{name} {mode} {kind}"] for rank in ranks)
    assert first == second
    assert first["loss"] == pytest.approx(one["loss"], rel=1e-5)
    for parameter, gradient in one["gradients"].items():
        got, wanted = torch.tensor(first["gradients"][parameter]), torch.tensor(gradient)
        assert wanted.any()
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_ranks_that_gather_nothing_are_batches_of_their_own(name, ranks):
    alone = [outcome(name, "none", "pairs", rank, world=2, among=False) for rank in range(2)]
    assert ranks[0][f"{name} none pairs"]["loss"] == pytest.approx(sum(one["loss"] for one in alone) / 2, rel=1e-5)


def test_scores_of_a_methods_own_are_taken_as_those_of_the_features(case, seed):
    if isinstance(case.loss, Wrapper):
        assert not hasattr(case.loss, "from_scores")  # of scores there is nothing to cut, and nobody to compare
        return
    inputs = case.inputs(seed)
    image, text = (normalize(inputs[side], dim=-1) for side in ("image", "text"))
    scores = inputs["scale"] * image @ text.T + inputs.get("bias", 0.0)
    torch.testing.assert_close(case.loss.from_scores(scores), case(**inputs), rtol=1e-5, atol=0)


@pytest.mark.parametrize("size", [1, 3, PAIRS, 100])
def test_blocks_of_rows_change_nothing(name, case, seed, size):
    if any(CATALOGUE[one].get("square") for one in name.split(" of ")):
        case.innermost.block = size
        with pytest.raises(ConfigError, match=r"block .*Leave block null"):
            case(**case.inputs(seed))
        return
    outcomes = []
    for block in (None, size):
        case.innermost.block = block
        inputs = {name: value.requires_grad_() for name, value in case.inputs(seed).items()}
        loss = case(**inputs)
        outcomes.append((loss, *torch.autograd.grad(loss, list(inputs.values()))))
    for whole, in_blocks in zip(*outcomes, strict=True):
        torch.testing.assert_close(in_blocks, whole, rtol=1e-5, atol=1e-6)


def test_all_captions_of_a_picture_belong_to_it(case, seed):
    """A second caption that says the same as the first, given as its own, costs less than given as another's."""
    inputs = case.inputs(seed)
    inputs["image"] = inputs["image"] + 2 * inputs["text"]
    twice = inputs["text"].repeat_interleave(2, 0)
    owner = torch.arange(PAIRS).repeat_interleave(2)
    other = torch.cat([owner[::2, None], owner[::2, None].roll(1, 0)], 1).flatten()  # the second is its neighbour's
    right, wrong = (case(**inputs | {"text": Gathered(local=twice, all=twice, owner=own)}) for own in (owner, other))
    assert right + 0.05 < wrong


def test_files_and_rows_agree():
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert {file for file in files if losses_of(file)} == set(CATALOGUE)


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_loss_of_a_file_is_its_row(name):
    assert losses_of(name) == [CATALOGUE[name]["class_path"]]


def losses_of(name: str) -> list[str]:
    """Class paths of the losses that a file defines; functions that losses share are no losses."""
    module = importlib.import_module(f"components.objectives.{name}")
    return [
        f"{module.__name__}.{kind.__name__}"
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Objective) and kind.__module__ == module.__name__
    ]


def last(row: dict[str, Any]) -> str:
    """Name of a row's class."""
    return row["class_path"].rpartition(".")[2]


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_row_has_its_test_and_its_golden_numbers(name):
    row = CATALOGUE[name]
    is_wrapper = issubclass(getattr(importlib.import_module(f"components.objectives.{name}"), last(row)), Wrapper)
    assert set(row) - {"square", "between"} == {"class_path", "init_args", "normalises", "golden"} | (
        {"around"} if is_wrapper else set()
    )
    assert (REPOSITORY / "tests" / "components" / "objectives" / f"test_{name}.py").exists()
    assert (REPOSITORY / row["golden"]["file"]).exists()
    assert (REPOSITORY / row["golden"]["file"]).with_name(f"make_{name}.py").exists()
