"""Kullback-Leibler divergence of both directions of a batch: as torch has it, 0 where nothing differs, and a temperature."""

import pytest
import torch
from torch.nn.functional import cross_entropy, kl_div

from components.contracts.directions import Directions
from components.contracts.errors import ConfigError
from components.objectives.divergence import Divergence


def drawn(seed: int, rows: int = 5, columns: int = 7) -> Directions:
    draw = torch.Generator().manual_seed(seed)
    shapes = (rows, columns), (columns, rows)
    return Directions(
        **dict(
            zip(("image_to_text", "text_to_image"), (3 * torch.randn(s, generator=draw) for s in shapes), strict=True)
        )
    )


def soft(logits: Directions) -> Directions:
    return Directions(image_to_text=logits.image_to_text.softmax(1), text_to_image=logits.text_to_image.softmax(1))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_value_and_gradient_are_torchs(temperature):
    ours, targets = drawn(0), soft(drawn(1))
    for logits in (ours.image_to_text, ours.text_to_image):
        logits.requires_grad_()
    loss = Divergence(temperature)(ours, targets)
    pairs = ((ours.image_to_text, targets.image_to_text), (ours.text_to_image, targets.text_to_image))
    wanted = sum(kl_div((said / temperature).log_softmax(1), right, reduction="batchmean") for said, right in pairs)
    wanted = temperature**2 * wanted / 2
    torch.testing.assert_close(loss, wanted, rtol=1e-5, atol=0)
    logits = [said for said, _ in pairs]
    for got, peer in zip(torch.autograd.grad(loss, logits), torch.autograd.grad(wanted, logits), strict=True):
        torch.testing.assert_close(got, peer, rtol=1e-5, atol=1e-8)


def test_it_is_nothing_and_pulls_nowhere_where_both_say_the_same():
    ours = drawn(0)
    targets = soft(ours)
    ours.image_to_text.requires_grad_()
    loss = Divergence()(ours, targets)
    assert loss.item() == pytest.approx(0, abs=1e-6)
    (gradient,) = torch.autograd.grad(loss, ours.image_to_text)
    assert gradient.abs().max() < 1e-7


def test_of_one_right_column_it_is_cross_entropy():
    said = drawn(0, 6, 6)
    identity = Directions.both(torch.eye(6))
    right = torch.arange(6)
    wanted = (cross_entropy(said.image_to_text, right) + cross_entropy(said.text_to_image, right)) / 2
    torch.testing.assert_close(Divergence()(said, identity), wanted)


def test_no_gradient_goes_through_the_targets():
    targets = soft(drawn(1))
    targets.image_to_text.requires_grad_()
    ours = drawn(0)
    ours.image_to_text.requires_grad_()
    Divergence()(ours, targets).backward()
    assert targets.image_to_text.grad is None


def test_it_is_finite_in_bf16_at_the_highest_scale():
    said = drawn(0)
    ours = Directions(
        image_to_text=(100 * said.image_to_text).bfloat16().requires_grad_(),
        text_to_image=(100 * said.text_to_image).bfloat16(),
    )
    loss = Divergence()(ours, soft(drawn(1)))
    loss.backward()
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)
    assert torch.isfinite(ours.image_to_text.grad).all()


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_a_temperature_that_divides_by_nothing_is_refused(temperature):
    with pytest.raises(ConfigError, match=r"temperature is .* divided by it\. Use 1\.0"):
        Divergence(temperature)
