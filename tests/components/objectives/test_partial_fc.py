"""PartialFC: rows that are looked at, those that stay, and the same on two ranks as in one process.

Axes: K classes, D width, B pictures, l labels.
"""

import copy

import pytest
import torch
from torch.nn.functional import normalize

from components.contracts.errors import ConfigError
from components.objectives.multilabel_disjoint import MultiLabelDisjointLoss
from components.objectives.partial_fc import PartialFC
from tests.components.objectives.partial_fc_ranks import (
    BATCHES,
    CLASSES,
    STEP,
    WIDTH,
    Head,
    drawn,
    outcome,
    without_a_row,
)
from tests.over_ranks import told_by_ranks


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory):
    return told_by_ranks("tests.components.objectives.partial_fc_ranks", tmp_path_factory.mktemp("ranks"), 2)


def stepped(rows: PartialFC, features: torch.Tensor, labels: torch.Tensor, seed: int = 0) -> torch.Tensor:
    looked = rows(features, labels, seed)
    loss = MultiLabelDisjointLoss()(looked.logits, looked.is_positive)
    loss.backward()
    return loss


def test_with_every_row_it_is_the_whole_classifier():
    torch.manual_seed(0)
    rows, features = PartialFC(CLASSES, WIDTH, scale=8.0), torch.randn(6, WIDTH)
    labels = drawn(0)[1][:6]
    looked = rows(features, labels)
    assert looked.share == 1
    torch.testing.assert_close(looked.logits, 8 * normalize(features, dim=1) @ normalize(rows.rows, dim=1).T)
    assert [sorted(row.nonzero()[:, 0].tolist()) for row in looked.is_positive] == [
        sorted(row) for row in labels.tolist()
    ]


@pytest.mark.parametrize("ratio", [0.001, 0.1, 0.3, 1.0])
def test_every_row_of_the_batch_is_looked_at_whatever_the_ratio_and_another_one_too(ratio):
    rows = PartialFC(200, WIDTH, ratio=ratio)
    for seed in range(10):
        labels = torch.randint(200, (7, 3), generator=torch.Generator().manual_seed(seed))
        chosen = rows.chosen(labels, seed)
        own = labels.unique()
        assert set(own.tolist()) < set(chosen.tolist())
        assert len(chosen) == max(len(own) + 1, round(ratio * 200))
        assert chosen.tolist() == sorted(set(chosen.tolist()))


def test_others_are_drawn_evenly_and_anew_each_step():
    rows, labels = PartialFC(20, WIDTH, ratio=0.3), torch.tensor([[0, 1]])
    times = torch.zeros(20)
    for seed in range(600):
        times[rows.chosen(labels, seed)] += 1
    assert times[:2].tolist() == [600, 600]
    assert (times[2:] - 600 * 4 / 18).abs().max() < 45  # four deviations


def test_rows_that_are_not_looked_at_have_no_gradient_and_stay_to_the_last_bit_with_their_moments():
    torch.manual_seed(0)
    rows = PartialFC(40, WIDTH, ratio=0.2)
    for step in range(3):
        before = {name: getattr(rows, name).clone() for name in ("rows", "first", "second", "times")}
        labels = torch.randint(40, (3, 2))
        chosen = rows.chosen(labels, step)
        stepped(rows, torch.randn(3, WIDTH), labels, step)
        others = torch.ones(40, dtype=torch.bool)
        others[chosen] = False
        assert others.any()
        assert not rows.gradient()[others].any()
        rows.step(**STEP)
        for name, kept in before.items():
            assert torch.equal(getattr(rows, name)[others], kept[others])
        assert (rows.rows[chosen] != before["rows"][chosen]).any(1).all()


def test_where_all_rows_are_looked_at_a_step_is_that_of_adamw():
    torch.manual_seed(0)
    rows = PartialFC(CLASSES, WIDTH, scale=8.0)
    weight = rows.rows.clone().requires_grad_()
    peer = torch.optim.AdamW([weight], **STEP)
    for step in range(4):
        features, labels = torch.randn(6, WIDTH), drawn(0)[1][:6]
        stepped(rows, features, labels, step)
        rows.step(**STEP)
        peer.zero_grad()
        logits = 8 * (normalize(features, dim=1) @ normalize(weight, dim=1).T)
        positive = torch.zeros(6, CLASSES, dtype=torch.bool).scatter(1, labels, True)
        MultiLabelDisjointLoss()(logits, positive).backward()
        peer.step()
        torch.testing.assert_close(rows.rows, weight.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", ["mlcd", "bce", "softmax"])
@pytest.mark.parametrize("ratio", [1.0, 0.3])
def test_two_ranks_come_to_what_one_process_comes_to_with_a_smaller_last_batch(two_ranks, form, ratio):
    alone = outcome(ratio, form)
    both = [told[f"{form} {ratio}"] for told in two_ranks]
    assert [told["has"] for told in both] == [[0, 7], [7, 6]]
    for told in both:
        assert told["parameters"] == ["tower.weight", "tower.bias"]  # the rows are none of DDP's
        for ours, theirs in zip(told["steps"], alone["steps"], strict=True):
            assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
            assert ours["nearest"] == pytest.approx(theirs["nearest"])
            for name in ("tower", "rows"):
                torch.testing.assert_close(torch.tensor(ours[name]), torch.tensor(theirs[name]), rtol=1e-5, atol=1e-6)
        for name, kept in alone["whole"].items():
            torch.testing.assert_close(torch.tensor(told["whole"][name]), torch.tensor(kept), rtol=1e-4, atol=1e-5)


def test_a_rank_without_a_row_in_a_step_says_what_the_others_say(two_ranks):
    first, second = (told["without"] for told in two_ranks)
    assert (first["columns"], second["columns"]) == (3, 0)
    assert first["nearest"] == second["nearest"] == without_a_row()["nearest"]


def test_what_two_ranks_keep_another_number_of_them_takes(two_ranks):
    kept = {name: torch.tensor(rows) for name, rows in two_ranks[0]["mlcd 0.3"]["whole"].items()}
    for world in (1, 2, 3):
        parts = [PartialFC(CLASSES, WIDTH) for _ in range(world)]
        for rank, part in enumerate(parts):
            part.take(kept, rank, world)
        for name, rows in kept.items():
            assert torch.equal(torch.cat([getattr(part, name) for part in parts]), rows)


def test_alone_what_is_kept_goes_on_as_if_nothing_had_been():
    head = Head(0.3, "mlcd")
    for step in range(2):
        head(*drawn(step), step).backward()
        head.rows.step(**STEP)
    kept, other = head.rows.whole(), Head(0.3, "mlcd")
    other.rows.take(kept, 0, 1)
    for one in (head, other):
        one(*drawn(2), 2).backward()
        one.rows.step(**STEP)
    assert torch.equal(head.rows.rows, other.rows.rows)
    assert torch.equal(head.rows.second, other.rows.second)
    assert len(BATCHES) == 3


def test_rows_move_with_the_module_and_are_nothing_that_a_model_keeps():
    rows = PartialFC(CLASSES, WIDTH)
    assert rows.state_dict() == {}
    assert list(rows.parameters()) == list(rows.buffers()) == []
    assert {getattr(rows.to("meta"), name).device.type for name in ("rows", "first", "second", "times")} == {"meta"}


def test_a_step_that_was_skipped_moves_nothing():
    rows = PartialFC(CLASSES, WIDTH)
    before = rows.rows.clone()
    rows(torch.randn(2, WIDTH), torch.tensor([[0], [1]]))
    rows.step(**STEP)
    assert torch.equal(rows.rows, before)


def test_labels_of_none_are_nobodys():
    rows = copy.deepcopy(PartialFC(CLASSES, WIDTH, ratio=0.5))
    looked = rows(torch.randn(2, WIDTH), torch.tensor([[3, -1], [-1, -1]]))
    assert looked.is_positive.sum(1).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("given", "says"),
    [({"classes": 1}, "classes is 1"), ({"ratio": 0.0}, "ratio is 0"), ({"ratio": 1.5}, "ratio is 1.5"), ({"scale": 0.0}, "scale is 0")],
)  # fmt: skip
def test_numbers_that_make_no_sense_are_refused(given, says):
    with pytest.raises(ConfigError, match=says):
        PartialFC(**{"classes": 5, "width": 3, **given})


def test_labels_that_do_not_fit_are_refused():
    rows = PartialFC(4, WIDTH)
    with pytest.raises(ConfigError, match="nothing is left that a picture is not"):
        rows.chosen(torch.tensor([[0, 1, 2, 3]]), 0)
    with pytest.raises(ConfigError, match="a picture has the label 4, but there are 4 classes"):
        rows.chosen(torch.tensor([[0, 4]]), 0)
    with pytest.raises(ConfigError, match=r"there are \(5, 5\) rows, and not \(4, 5\)"):
        rows.take(PartialFC(5, WIDTH).whole(), 0, 1)
