"""What every signal must do, whichever it is: each row of components/objectives/signals/catalogue.yaml is held to it.

Axes: B pairs, D shared width.
"""

import importlib
import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from components.contracts.directions import Directions
from components.contracts.gathered import Gathered
from components.contracts.signal import Signal
from components.recipes.section import build

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "components" / "objectives" / "signals"
CATALOGUE: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "catalogue.yaml").read_text())
PAIRS, WIDTH = 8, 16


@pytest.fixture(params=sorted(CATALOGUE))
def row(request) -> dict[str, Any]:
    return CATALOGUE[request.param]


def made(row: dict[str, Any]) -> Signal:
    return build({key: row[key] for key in ("class_path", "init_args")}, Signal)


@pytest.fixture(params=range(2))
def features(request) -> tuple[torch.Tensor, torch.Tensor]:
    """Of pairs that are known a little, so that there is a right answer to be near to."""
    draw = torch.Generator().manual_seed(request.param)
    image = torch.randn(PAIRS, WIDTH, generator=draw)
    return image.requires_grad_(), (image + torch.randn(PAIRS, WIDTH, generator=draw)).detach().requires_grad_()


def told(signal: Signal, *features: torch.Tensor | Gathered) -> tuple[torch.Tensor, ...]:
    """Return what it gives for either direction, or side, or for the pairs; what it draws follows from a seed, as in a step."""
    torch.manual_seed(5)
    given = signal(*features)
    if isinstance(given, torch.Tensor):
        return (given,)
    return (given.image_to_text, given.text_to_image) if isinstance(given, Directions) else given


def same(one: tuple[torch.Tensor, ...], other: tuple[torch.Tensor, ...]) -> bool:
    return all(torch.equal(ours, theirs) for ours, theirs in zip(one, other, strict=True))


def test_it_learns_nothing_and_gives_no_gradient(row, features):
    signal = made(row)
    assert list(signal.parameters()) == []
    assert not any(one.requires_grad for one in told(signal, *features))


def test_it_gives_what_its_row_says_for_both_directions(row, features):
    for rows in told(made(row), *features):
        assert rows.shape == {"points": (PAIRS, WIDTH), "weights": (PAIRS,)}.get(row["gives"], (PAIRS, PAIRS))
        if row["gives"] == "mask":
            assert rows.dtype == torch.bool
            assert 0 < rows.sum() < rows.numel()
        elif row["gives"] == "weights":
            assert (rows > 0).all()
            assert len(rows.unique()) > 1
        elif row["gives"] == "targets":
            assert (rows >= 0).all()
            torch.testing.assert_close(rows.sum(1), torch.ones(PAIRS))


def test_two_that_saw_the_same_say_the_same(row, features):
    one, other = made(row), made(row)
    for _ in range(3):
        assert same(told(one, *features), told(other, *features))


def test_what_it_remembers_is_in_a_checkpoint(row, features):
    """One that goes on from what another left says what the other says next."""
    before, after = made(row), made(row)
    for _ in range(3):
        told(before, *features)
    after.load_state_dict(before.state_dict())
    assert same(told(after, *features), told(before, *features))


def test_it_is_finite_in_bf16(row, features):
    for rows in told(made(row), *(side.bfloat16() for side in features)):
        assert torch.isfinite(rows.float()).all()


def test_shuffling_the_pairs_shuffles_what_it_gives(row, features):
    if row["gives"] == "points":
        return  # which look at nothing but how many pairs there are
    order = torch.randperm(PAIRS, generator=torch.Generator().manual_seed(3))
    whole, shuffled = told(made(row), *features), told(made(row), *(side[order] for side in features))
    for rows, turned in zip(whole, shuffled, strict=True):
        wanted = rows[order] if row["gives"] == "weights" else rows[order][:, order]
        torch.testing.assert_close(turned.float(), wanted.float())


@pytest.mark.parametrize("ranks", [2, 4])
def test_a_rank_is_given_its_own_rows_of_the_whole(row, features, ranks):
    whole, share = told(made(row), *features), PAIRS // ranks
    for rank in range(ranks):
        start = rank * share
        gathered = [Gathered.of(side.detach()) for side in features]
        parts = [replace(one, local=one.all[start : start + share], offset=start, ranks=ranks) for one in gathered]
        for rows, part in zip(whole, told(made(row), *parts), strict=True):
            torch.testing.assert_close(part.float(), rows[start : start + share].float())


def test_files_and_rows_agree():
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert {file for file in files if signals_of(file)} == set(CATALOGUE)


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_row_is_the_signal_of_its_file_and_has_its_test(name):
    assert set(CATALOGUE[name]) == {"class_path", "init_args", "gives"}
    assert signals_of(name) == [CATALOGUE[name]["class_path"]]
    assert (REPOSITORY / "tests" / "components" / "objectives" / "signals" / f"test_{name}.py").exists()


def signals_of(name: str) -> list[str]:
    """Class paths of the signals that a file defines."""
    module = importlib.import_module(f"components.objectives.signals.{name}")
    return [
        f"{module.__name__}.{kind.__name__}"
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Signal) and kind.__module__ == module.__name__
    ]
