"""Captions as tokens: what the vocabulary says, cut to the longest of a batch."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.data.rows import captions as module
from components.data.rows.captions import Captions, ends

WORDS = ("a red square", "a blue square at the left", "green", "a pink square at the middle, and much more than fits")


@pytest.fixture(scope="module")
def captions(vocabulary) -> Captions:
    return Captions(vocabulary, [WORDS[:1], WORDS[1:], WORDS[:2]])


@given(chosen=st.lists(st.integers(0, 5), min_size=1, max_size=9))
def test_texts_are_the_vocabularys_own_and_no_wider_than_the_longest(vocabulary, captions, chosen):
    flat = [*WORDS[:1], *WORDS[1:], *WORDS[:2]]
    wanted, given = vocabulary([flat[number] for number in chosen]), captions.texts(torch.tensor(chosen))
    longest = int(wanted.mask.sum(1).max())
    assert given.ids.dtype == torch.int64
    assert torch.equal(given.ids, wanted.ids[:, :longest])
    assert torch.equal(given.mask, wanted.mask[:, :longest])


def test_a_sample_is_given_captions_of_its_own_each_in_its_turn(captions):
    draw, rows = torch.Generator().manual_seed(0), torch.tensor([2, 0, 1])
    drawn = torch.stack([captions.choose(rows, draw) for _ in range(200)])
    assert [sorted(set(column.tolist())) for column in drawn.T] == [[4, 5], [0], [1, 2, 3]]


def test_the_length_of_a_sample_is_that_of_its_longest_caption(vocabulary, captions):
    tokens = vocabulary(list(WORDS)).mask.sum(1).tolist()
    assert captions.lengths() == [tokens[0], max(tokens[1:]), max(tokens[:2])]


def test_tokenising_in_pieces_changes_nothing(vocabulary, captions, monkeypatch):
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    pieces = Captions(vocabulary, [WORDS[:1], WORDS[1:], WORDS[:2]])
    assert torch.equal(pieces.tokens, captions.tokens)
    assert torch.equal(pieces.begin, captions.begin)


def test_no_padding_is_kept(vocabulary, captions):
    assert len(captions.tokens) == int(vocabulary([*WORDS, *WORDS[:2]]).mask.sum())
    assert (captions.tokens != 0).all()


def test_ends_by_hand():
    assert ends(torch.tensor([2, 0, 3])).tolist() == [0, 2, 2, 5]
