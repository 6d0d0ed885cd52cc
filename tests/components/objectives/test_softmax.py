"""CLIP's loss by hand, and against open_clip's in value and gradient (seed 56, properties 1, 3 and 4)."""

import json
import math
from pathlib import Path

import open_clip
import pytest
import torch
from jaxtyping import TypeCheckError
from torch.nn.functional import cross_entropy, normalize

from components.contracts.directions import Directions
from components.contracts.errors import ConfigError
from components.contracts.gathered import Gathered
from components.objectives.softmax import SoftmaxLoss

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "softmax.json").read_text())
# The same float32 operations in another order: a few units in the last place (6e-8), times the scale of at most 100.
RTOL, ATOL = 1e-5, 1e-6


@pytest.mark.parametrize("pairs", [2, 5, 64])
def test_equal_logits_give_log_of_the_batch(pairs):
    alike = torch.ones(pairs, 7)
    assert SoftmaxLoss()(alike, alike, torch.tensor(14.3)).item() == pytest.approx(math.log(pairs), rel=1e-6)


def test_perfect_features_at_the_highest_scale_give_next_to_nothing():
    loss = SoftmaxLoss()(torch.eye(16), torch.eye(16), torch.tensor(100.0))
    assert 0 <= loss < 1e-3


def test_two_pairs_by_hand():
    # Rows: picture 0 scores 2 with its own text and 0 with the other; picture 1 scores 1 and 1.
    loss = SoftmaxLoss().from_scores(torch.tensor([[2.0, 0.0], [1.0, 1.0]]))
    by_row = math.log(1 + math.exp(-2)) + math.log(2)
    by_column = math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-1))
    assert loss.item() == pytest.approx((by_row + by_column) / 4, rel=1e-6)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: f"scale={case['inputs']['scale']:g}")
def test_value_and_gradients_are_the_golden_ones(case):
    inputs = {name: torch.tensor(value, requires_grad=True) for name, value in case["inputs"].items()}
    loss = SoftmaxLoss()(**inputs)
    assert loss.item() == pytest.approx(case["loss"], rel=RTOL)
    loss.backward()
    for name, value in case["gradients"].items():
        torch.testing.assert_close(inputs[name].grad, torch.tensor(value), rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize("pairs", [2, 33])
@pytest.mark.parametrize("scale", [1.0, 14.3, 100.0])
def test_value_and_gradients_are_those_of_the_open_clip_that_is_installed(pairs, scale):
    draw = torch.Generator().manual_seed(pairs)
    ours, theirs = (
        [side.clone().requires_grad_() for side in features]
        for features in [torch.randn(2, pairs, 24, generator=draw)] * 2
    )
    slope = torch.tensor(scale)
    mine = SoftmaxLoss()(*ours, slope)
    peer = open_clip.ClipLoss()(*(normalize(side, dim=-1) for side in theirs), slope)
    torch.testing.assert_close(mine, peer, rtol=RTOL, atol=ATOL)
    mine.backward()
    peer.backward()
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own.grad, other.grad, rtol=RTOL, atol=ATOL)


def test_smoothing_is_torchs_on_both_sides():
    scores = torch.randn(6, 6, generator=torch.Generator().manual_seed(1))
    right = torch.arange(6)
    wanted = sum(cross_entropy(side, right, label_smoothing=0.1) for side in (scores, scores.T)) / 2
    torch.testing.assert_close(SoftmaxLoss(smoothing=0.1).from_scores(scores), wanted)
    assert SoftmaxLoss(smoothing=0.1).from_scores(scores) != SoftmaxLoss().from_scores(scores)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, float("nan")])
def test_a_smoothing_that_is_no_share_is_refused(smoothing):
    with pytest.raises(ConfigError, match="share of the target"):
        SoftmaxLoss(smoothing=smoothing)


def features(seed: int, *shapes: tuple[int, ...]) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=draw) for shape in shapes]


def cosines(image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    return normalize(image, dim=-1) @ normalize(text, dim=-1).T


def test_soft_targets_are_torchs_on_both_sides():
    scores, rows, columns = features(2, (6, 6), (6, 6), (6, 6))
    targets = Directions(image_to_text=rows.softmax(1), text_to_image=columns.softmax(1))
    wanted = (cross_entropy(scores, rows.softmax(1)) + cross_entropy(scores.T, columns.softmax(1))) / 2
    torch.testing.assert_close(SoftmaxLoss().from_scores(scores, targets=targets), wanted)
    hard = SoftmaxLoss().from_scores(scores, targets=torch.eye(6))
    torch.testing.assert_close(hard, SoftmaxLoss().from_scores(scores))


def test_a_matrix_of_targets_alone_is_turned_for_the_other_direction():
    scores, matrix = features(3, (4, 6), (4, 6))
    rows = matrix.softmax(1)
    columns = rows.T / rows.T.sum(1, keepdim=True)
    both = SoftmaxLoss().from_scores(scores, targets=Directions(image_to_text=rows, text_to_image=columns))
    torch.testing.assert_close(SoftmaxLoss().from_scores(scores, targets=rows), both)


def test_scores_of_either_direction_may_be_their_own():
    rows, columns = features(4, (5, 5), (5, 5))
    right = torch.arange(5)
    wanted = (cross_entropy(rows, right) + cross_entropy(columns, right)) / 2
    torch.testing.assert_close(SoftmaxLoss().from_scores(rows, columns), wanted)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_directions_are_weighed(share):
    (scores,), right = features(5, (5, 5)), torch.arange(5)
    wanted = share * cross_entropy(scores, right) + (1 - share) * cross_entropy(scores.T, right)
    torch.testing.assert_close(SoftmaxLoss(image_share=share).from_scores(scores), wanted)


def test_weights_scale_each_row_and_are_not_made_up_for():
    image, text = features(6, (4, 8), (4, 8))
    scale, weights = torch.tensor(5.0), torch.tensor([1.0, 0.0, 0.5, 2.0])
    scores, right = 5 * cosines(image, text), torch.arange(4)
    each = (cross_entropy(scores, right, reduction="none") + cross_entropy(scores.T, right, reduction="none")) / 2
    torch.testing.assert_close(SoftmaxLoss()(image, text, scale, weights=weights), (weights * each).mean())
    plain, half = (SoftmaxLoss()(image, text, scale, weights=torch.full((4,), one)) for one in (1.0, 0.5))
    torch.testing.assert_close(plain, SoftmaxLoss()(image, text, scale))
    torch.testing.assert_close(half, plain / 2)


def test_a_margin_is_taken_off_the_cosine_of_a_match():
    image, text = features(7, (4, 8), (4, 8))
    wanted = SoftmaxLoss().from_scores(5 * (cosines(image, text) - 0.2 * torch.eye(4)))
    torch.testing.assert_close(SoftmaxLoss(margin=0.2)(image, text, torch.tensor(5.0)), wanted)


def test_what_is_masked_takes_no_part_but_a_match_always_does():
    image, text = features(8, (4, 8), (4, 8))
    scores, right = 5 * cosines(image, text), torch.arange(4)
    takes_part = torch.tensor([[0, 1, 1, 0], [1, 1, 0, 1], [1, 1, 1, 1], [0, 0, 1, 1]], dtype=torch.bool)
    open_ = takes_part | torch.eye(4, dtype=torch.bool)
    far = scores.masked_fill(~open_, -torch.inf)
    wanted = (cross_entropy(far, right) + cross_entropy(far.T, right)) / 2
    torch.testing.assert_close(SoftmaxLoss()(image, text, torch.tensor(5.0), mask=takes_part), wanted)


def test_smoothing_gives_nothing_to_what_is_masked():
    (scores,) = features(9, (3, 3))
    mask = torch.tensor([[1, 1, 0], [1, 1, 1], [0, 1, 1]], dtype=torch.bool)
    logs = scores.masked_fill(~mask, -torch.inf).log_softmax(1)
    first = -0.8 * logs[0, 0] - 0.2 * (logs[0, 0] + logs[0, 1]) / 2
    second = -0.8 * logs[1, 1] - 0.2 * logs[1].mean()
    third = -0.8 * logs[2, 2] - 0.2 * (logs[2, 1] + logs[2, 2]) / 2
    loss = SoftmaxLoss(smoothing=0.2, image_share=1.0).from_scores(scores, mask=mask)
    torch.testing.assert_close(loss, (first + second + third) / 3)


@pytest.mark.parametrize("block", [None, 2])
def test_further_negatives_stand_beside_those_of_the_batch(block):
    image, text, more_images, more_texts = features(10, (4, 8), (4, 8), (3, 8), (7, 8))
    rows = 5 * cosines(image, torch.cat([text, more_texts]))
    columns = 5 * cosines(text, torch.cat([image, more_images]))
    right = torch.arange(4)
    wanted = (cross_entropy(rows, right) + cross_entropy(columns, right)) / 2
    loss = SoftmaxLoss(block=block)(image, text, torch.tensor(5.0), more_images=more_images, more_texts=more_texts)
    torch.testing.assert_close(loss, wanted)


def test_targets_and_mask_leave_further_negatives_as_they_are():
    image, text, more = features(11, (4, 8), (4, 8), (7, 8))
    given = {"targets": torch.eye(4), "mask": torch.ones(4, 4, dtype=torch.bool), "more_texts": more}
    plain = SoftmaxLoss()(image, text, torch.tensor(5.0), more_texts=more)
    torch.testing.assert_close(SoftmaxLoss()(image, text, torch.tensor(5.0), **given), plain)


def test_captions_of_a_picture_share_its_target_and_each_has_one_picture():
    image, text = features(12, (2, 8), (3, 8))
    owner = torch.tensor([0, 0, 1])
    rows, columns = 5 * cosines(image, text), 5 * cosines(text, image)
    wanted = cross_entropy(rows, torch.tensor([[0.5, 0.5, 0], [0, 0, 1]])) / 2 + cross_entropy(columns, owner) / 2
    loss = SoftmaxLoss()(image, Gathered(local=text, all=text, owner=owner), torch.tensor(5.0))
    torch.testing.assert_close(loss, wanted)


@pytest.mark.parametrize("given", [{"targets": torch.eye(4)}, {"mask": torch.ones(4, 4, dtype=torch.bool)}])
def test_blocks_take_no_square_matrix(given):
    with pytest.raises(ConfigError, match="Leave block null"):
        SoftmaxLoss(block=2)(torch.ones(4, 3), torch.ones(4, 3), torch.tensor(1.0), **given)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [({"margin": -0.1}, "at most 2 apart"), ({"image_share": 1.1}, "image_share is 1.1"), ({"block": 0}, "at least 1")],
)
def test_numbers_that_mean_nothing_are_refused(numbers, said):
    with pytest.raises(ConfigError, match=said):
        SoftmaxLoss(**numbers)


def test_sides_that_do_not_pair_up_are_refused():
    with pytest.raises(ConfigError, match=r"3 pictures and 4 texts.*owner"):
        SoftmaxLoss()(torch.ones(3, 4), torch.ones(4, 4), torch.tensor(1.0))


def test_shapes_are_checked_in_tests():
    with pytest.raises(TypeCheckError):  # see tests/conftest.py
        SoftmaxLoss()(torch.ones(3, 4), torch.ones(3, 5), torch.tensor(1.0))


def test_a_queue_of_negatives_alone_is_lightlys_in_value_and_gradient():
    golden = json.loads((Path(__file__).parents[2] / "golden" / "softmax_queue.json").read_text())
    image, text, queue, scale = (torch.tensor(value) for value in golden["inputs"].values())
    only_queue = torch.eye(len(image), dtype=torch.bool)  # no other pair of the batch takes part
    loss = SoftmaxLoss(image_share=1.0)(
        image.requires_grad_(), text.requires_grad_(), scale, mask=only_queue, more_texts=queue
    )
    assert loss.item() == pytest.approx(golden["loss"], rel=RTOL)
    loss.backward()
    for name, side in {"image": image, "text": text}.items():
        torch.testing.assert_close(side.grad, torch.tensor(golden["gradients"][name]), rtol=RTOL, atol=ATOL)


def rows_of(pictures: int, texts: int, width: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(26)
    made = (torch.randn(count, width, generator=draw, requires_grad=True) for count in (pictures, pictures * texts))
    image, text = made
    return image, text


def test_with_one_row_a_group_several_positives_are_infonce():
    image, text = rows_of(5, 1)
    grouped = Gathered(local=text, all=text, owner=torch.arange(5))
    torch.testing.assert_close(
        SoftmaxLoss()(image, grouped, torch.tensor(14.3)), SoftmaxLoss()(image, text, torch.tensor(14.3))
    )


@pytest.mark.parametrize("texts", [2, 4])
def test_a_picture_that_comes_again_for_each_of_its_texts_learns_what_it_learns_of_all_at_once(texts):
    """So that plain InfoNCE over rows of WIT, one a text, is no other training: only the value is higher, by the log of the copies."""
    image, text = rows_of(5, texts)
    scale, owner = torch.tensor(14.3), torch.arange(5).repeat_interleave(texts)
    once = SoftmaxLoss()(image, Gathered(local=text, all=text, owner=owner), scale)
    again = SoftmaxLoss()(image.repeat_interleave(texts, dim=0), text, scale)
    assert again.item() - once.item() == pytest.approx(math.log(texts) / 2, abs=1e-5)
    wanted, found = (torch.autograd.grad(loss, (image, text)) for loss in (once, again))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


def test_rows_of_the_same_label_are_right_answers_to_each_other_in_equal_parts():
    draw = torch.Generator().manual_seed(3)
    image, text = torch.randn(2, 4, 8, generator=draw)
    label = torch.tensor([7, 7, 2, 7])
    sides = [Gathered(local=rows, all=rows, label=label) for rows in (image, text)]
    scores = 10.0 * normalize(image, dim=-1) @ normalize(text, dim=-1).T
    third = 1 / 3
    parts = torch.tensor([[third, third, 0, third], [third, third, 0, third], [0, 0, 1, 0], [third, third, 0, third]])
    by_hand = sum(-(parts * side.log_softmax(1)).sum(1).mean() for side in (scores, scores.T)) / 2
    loss = SoftmaxLoss(alike=True)
    torch.testing.assert_close(loss(*sides, torch.tensor(10.0)), by_hand)
    plain = SoftmaxLoss()(*sides, torch.tensor(10.0))
    assert loss(*sides, torch.tensor(10.0)) != plain, "else each has one"
    apart = [Gathered(local=rows, all=rows, label=torch.arange(4)) for rows in (image, text)]
    torch.testing.assert_close(loss(*apart, torch.tensor(10.0)), plain)
    assert (loss.wants_labels, SoftmaxLoss().wants_labels) == (True, False)


def test_what_is_alike_is_no_more_alike_to_further_rows_than_to_nothing():
    draw = torch.Generator().manual_seed(4)
    image, text, more = torch.randn(3, 4, 8, generator=draw)
    sides = [Gathered(local=rows, all=rows, label=torch.tensor([1, 1, 2, 3])) for rows in (image, text)]
    loss, scale = SoftmaxLoss(alike=True), torch.tensor(10.0)
    assert loss(*sides, scale, more_texts=more) > loss(*sides, scale)


def test_what_is_alike_is_asked_of_all_rows_at_once():
    with pytest.raises(ConfigError, match="alike asks of all rows"):
        SoftmaxLoss(alike=True, block=2)
