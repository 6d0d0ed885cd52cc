"""The start is recalled: nothing is added where nothing has moved, and what moves is drawn back."""

import copy
from dataclasses import replace

import pytest
import torch

from components.contracts.errors import ConfigError
from components.contracts.method import Clock
from components.contracts.progress import silent
from components.data.batches import StepBatches
from components.data.rows.decoded import decode_pairs
from components.data.samplers.distinct import DistinctBatches
from components.data.transforms.preprocess import Preprocess
from components.data.transforms.views import Views
from components.evaluation.embedding import Embedder
from components.finetuning.recall import General, Recalled
from components.objectives.divergence import divergence
from tests.subjects import part_of

CLOCK = Clock(step=3, total_steps=10, epoch=0)


@pytest.fixture
def embedder(clip, vocabulary):
    return Embedder(clip.model.eval(), vocabulary, Preprocess(size=32))


@pytest.fixture
def general(embedder, squares):
    return General.of(embedder, part_of(squares, range(0, 50, 3)), silent)


@pytest.fixture
def batch(squares, vocabulary):
    pairs = decode_pairs(squares, Preprocess(size=32), silent)
    return StepBatches(pairs, vocabulary, Views(pixels=32), DistinctBatches(pairs.concepts, 8, seed=3), seed=3)[0]


def test_a_model_that_has_not_moved_owes_nothing_and_keeps_its_names(clip, general, batch):
    plain = clip.losses(batch, CLOCK).terms
    recalled = Recalled(clip, general, weight=2.0, rows=8, seed=0)
    terms = recalled.losses(batch, CLOCK).terms
    assert float(terms["recall"].detach()) == pytest.approx(0, abs=1e-6)
    assert {name: value.item() for name, value in terms.items() if name != "recall"} == {
        name: value.item() for name, value in plain.items()
    }
    assert [name for name, _ in recalled.named_parameters()] == [name for name, _ in clip.named_parameters()]
    assert recalled.state_dict().keys() == clip.state_dict().keys(), "what the start said is no part of a checkpoint"


def test_what_has_moved_is_drawn_back(clip, general, batch):
    start = copy.deepcopy(clip.model)
    with torch.no_grad():
        for value in clip.model.image_projection.parameters():
            value += 0.3 * torch.randn(value.shape, generator=torch.Generator().manual_seed(0))
    recalled = Recalled(clip, general, weight=1.0, rows=100, seed=0)
    apart = recalled.losses(batch, CLOCK).terms["recall"]
    assert recalled.rows == len(general) == 17
    assert general.pixels.dtype == torch.uint8
    pixels = general.pixels.float() / 255
    with torch.no_grad():
        rows = [
            clip.model.encode_image(replace(batch.images["main"], pixels=pixels, owner=None)).pooled,
            clip.model.encode_text(general.texts).pooled,
        ]
        by_hand = divergence(*rows, clip.model.logit_scale(), [(general.image, general.text)])
    assert apart.item() == pytest.approx(float(by_hand), rel=1e-4)
    assert apart.item() > 0.01
    parts = list(clip.model.image_projection.parameters())
    descent = torch.optim.SGD(parts, lr=0.1)
    before = apart.item()
    for _ in range(20):
        descent.zero_grad()
        (now := recalled.losses(batch, CLOCK).terms["recall"]).backward()
        descent.step()
    assert now.item() < before / 2
    assert start.image_projection is not clip.model.image_projection


def test_a_step_has_rows_of_its_own_and_the_same_ones_again(clip, general, batch):
    with torch.no_grad():
        for value in clip.model.image_projection.parameters():
            value += torch.randn(value.shape, generator=torch.Generator().manual_seed(0))
        said = {
            (seed, step): float(Recalled(clip, general, weight=1.0, rows=4, seed=seed).losses(batch, replace(CLOCK, step=step)).terms["recall"])
            for seed in (0, 1)
            for step in (1, 2)
        }  # fmt: skip
        again = float(
            Recalled(clip, general, weight=1.0, rows=4, seed=1).losses(batch, replace(CLOCK, step=2)).terms["recall"]
        )
    assert len(set(said.values())) == 4
    assert again == said[1, 2]


@pytest.mark.parametrize("given", [{"weight": 0.0, "rows": 8}, {"weight": -1.0, "rows": 8}, {"weight": 1.0, "rows": 1}])
def test_numbers_out_of_range_are_refused(clip, general, given):
    with pytest.raises(ConfigError, match="on two pairs at least"):
        Recalled(clip, general, seed=0, **given)


def test_one_picture_is_nothing_to_hold_to(embedder, squares):
    with pytest.raises(ConfigError, match="there are 1 general pictures"):
        General.of(embedder, part_of(squares, [0]), silent)
