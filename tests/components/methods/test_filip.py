"""FILIP: its contrast on scores by tokens, a share of them, and two known steps (seed 19)."""

import json
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from components.contracts.encoded import TOKENS
from components.contracts.errors import ConfigError
from components.contracts.method import Clock
from components.methods.filip import Filip
from components.objectives.similarity import max_sim
from tests.golden.make_clip_debug import STEPS, batches_at_debug, first_losses
from tests.squares import method_at_debug

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "filip_debug.json").read_text())
START = Clock(step=0, total_steps=8, epoch=0)


@pytest.fixture
def filip(vocabulary) -> Filip:
    method = method_at_debug(vocabulary, "filip")
    assert isinstance(method, Filip)
    return method


@pytest.fixture
def batch(vocabulary):
    return batches_at_debug(vocabulary, "filip")[0]


def test_its_one_term_is_cross_entropy_of_both_matrices(filip, batch):
    (term,) = filip.losses(batch, START).terms.values()
    image = filip.model.encode_image(batch.images["main"], (TOKENS,))
    text = filip.model.encode_text(batch.texts["caption"], (TOKENS,))
    scores, right = max_sim(image.tokens, text.tokens, text.mask), torch.arange(len(batch))
    scale = filip.model.logit_scale()
    wanted = cross_entropy(scale * scores.image_to_text, right) + cross_entropy(scale * scores.text_to_image, right)
    torch.testing.assert_close(term, wanted / 2)


def test_a_picture_is_a_grid_of_patches(filip, batch):
    image = filip.model.encode_image(batch.images["main"], (TOKENS,))
    assert image.grid == (4, 4)
    assert image.tokens.shape[1] == 16


def test_gradients_reach_every_parameter(filip, batch):
    for gain in (p for p in filip.parameters() if p.ndim == 1):
        torch.nn.init.normal_(gain)
    filip.losses(batch, START).terms["contrast"].backward()
    assert [name for name, p in filip.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_the_first_steps_lose_what_they_lost(filip, vocabulary):
    losses = first_losses(filip, vocabulary, name="filip")
    assert len(losses) == STEPS
    assert losses[0] == pytest.approx(GOLDEN["losses"][0], rel=1e-5)
    assert losses[1] == pytest.approx(GOLDEN["losses"][1], rel=2e-3)


def test_it_learns_and_a_quarter_of_the_tokens_is_enough_to(vocabulary):
    for keep in (1.0, 0.25):
        filip = Filip(method_at_debug(vocabulary, "filip").model, keep=keep)
        losses = first_losses(filip, vocabulary, steps=8, name="filip")
        assert losses[-1] < losses[0] - 0.1


def test_chunks_change_nothing(filip, batch):
    filip.eval()
    whole = filip.losses(batch, START).terms["contrast"]
    other = Filip(filip.model, chunk=3).eval().losses(batch, START).terms["contrast"]
    torch.testing.assert_close(other, whole)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [({"keep": 0.0}, "keep is 0.0"), ({"keep": 1.5}, "keep is 1.5"), ({"chunk": 0}, "chunk is 0")],
)
def test_numbers_that_mean_nothing_are_refused(filip, numbers, said):
    with pytest.raises(ConfigError, match=said):
        Filip(filip.model, **numbers)


def test_the_scale_keeps_its_bound(filip):
    with torch.no_grad():
        filip.model.logit_scale.log_scale.fill_(9.0)
    filip.after_step(START)
    assert filip.model.logit_scale().item() == pytest.approx(100)
