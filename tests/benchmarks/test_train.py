"""What the training's benchmarks compare is the same on both sides, and the page shows what was measured."""

import sys

import pytest
import torch

from tests.benchmarks import loop, train, train_page
from tests.benchmarks.peers import step_data


def test_both_loops_end_in_the_same_loss():
    said = loop.compared(batch=8, steps=6, runs=1)  # raises where they do not
    assert said["ratio"] > 0
    assert said["steps"] == 6


def test_captions_have_a_start_an_end_and_padding_behind():
    data = step_data.draw(2, 5)
    ids = data["ids"]
    assert data["pixels"].shape == (2, 5, 3, 64, 64)
    assert (ids[..., 0] == step_data.START).all()
    ends = ids.argmax(-1)  # open_clip reads the text at the largest id
    assert (ids.gather(2, ends[..., None]) == step_data.END).all()
    lengths = (ids != 0).sum(-1)
    assert torch.equal(lengths, ends + 1), "nothing is padded but behind the end"
    assert lengths.min() >= 6
    assert lengths.max() <= 20
    assert lengths.unique().numel() > 1


def test_ratios_are_of_turns_and_losses_of_the_first():
    runs = {"ours": 2.0, "open_clip": 4.0}
    turns = {
        side: [{"cpu_s": runs[side[0]] * turn, "losses": [2.0, 1.0 + 0.01 * (side[2] == "cut")], "versions": {"open_clip_torch": "3", "torch": "2"}} for turn in (1, 5)]
        for side in train.FP32
    }  # fmt: skip
    said = train.compared(turns, samples=100)
    assert said["ratios"] == {
        "ours fp32 cut beside open_clip fp32 padded": 2.0,
        "ours fp32 padded beside open_clip fp32 padded": 2.0,
    }
    assert said["losses_apart"]["ours fp32 cut"] == 0.01
    assert said["losses_apart"]["ours fp32 padded"] == 0


def test_a_side_that_fails_is_told_with_its_words():
    with pytest.raises(RuntimeError, match="no such model"):
        train.asked([sys.executable, "-c", "raise SystemExit('no such model')"])


def test_the_page_shows_what_was_measured():
    page = train_page.PAGE.read_text(encoding="utf-8")
    assert train_page.with_table(page) == page
