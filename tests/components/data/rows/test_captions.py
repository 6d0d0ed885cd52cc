"""Captions as tokens: what the vocabulary says, cut to the longest of a batch."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.data.long_captions import InPieces
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


LONG = "a red square at the left of all that is. a blue square at the right of it! green, and no more than that"


@pytest.fixture(scope="module")
def apart(vocabulary) -> dict[str, Captions]:
    return {
        how: Captions(vocabulary, [["green", LONG], ["a red square"]], how) for how in ("truncate", "split", "sample")
    }


def test_pieces_of_a_long_caption_are_drawn_in_its_place_or_beside_the_others(apart, vocabulary):
    pieces = InPieces(vocabulary)(LONG)
    assert len(pieces) == 3
    draw, rows = torch.Generator().manual_seed(0), torch.zeros(6000, dtype=torch.int64)
    share = {how: torch.bincount(captions.choose(rows, draw), minlength=4) / 6000 for how, captions in apart.items()}
    assert share["truncate"][:2].tolist() == pytest.approx([1 / 2, 1 / 2], abs=0.03)
    assert share["split"].tolist() == pytest.approx([1 / 4] * 4, abs=0.03)
    assert share["sample"].tolist() == pytest.approx([1 / 2, 1 / 6, 1 / 6, 1 / 6], abs=0.03)
    read = apart["sample"].texts(torch.tensor([1, 2, 3]))
    assert torch.equal(read.ids, vocabulary(list(pieces)).ids[:, : read.ids.shape[1]])


def test_the_last_sample_is_found_behind_the_pieces_of_the_first(apart):
    for captions, number in ((apart["truncate"], 2), (apart["split"], 4), (apart["sample"], 4)):
        assert captions.choose(torch.tensor([1]), torch.Generator()).tolist() == [number]


def test_a_sample_is_as_long_as_its_longest_piece(apart, vocabulary):
    longest = max(vocabulary(list(InPieces(vocabulary)(LONG))).mask.sum(1).tolist())
    plain = vocabulary(["a red square"]).mask.sum().item()
    assert apart["sample"].lengths() == apart["split"].lengths() == [longest, plain]
    assert apart["truncate"].lengths() == [vocabulary.context, plain]


@given(count=st.integers(1, 7), seed=st.integers(0, 99))
def test_of_several_captions_none_comes_again_before_all_were_there(captions, count, seed):
    drawn = captions.choose_some(torch.tensor([2, 0, 1]), torch.Generator().manual_seed(seed), count)
    assert drawn.shape == (3, count)
    for own, there in zip(drawn.tolist(), ([4, 5], [0], [1, 2, 3]), strict=True):
        assert set(own) <= set(there)
        turns = [own.count(one) for one in there]
        assert max(turns) - min(turns) <= 1


def test_every_caption_is_drawn_as_often_as_another(captions):
    draw = torch.Generator().manual_seed(0)
    drawn = torch.cat([captions.choose_some(torch.tensor([1]), draw, 2) for _ in range(3000)])
    share = torch.bincount(drawn.flatten(), minlength=4)[1:] / drawn.numel()
    assert share.tolist() == pytest.approx([1 / 3] * 3, abs=0.03)


def test_of_several_long_captions_a_piece_is_drawn_of_each(apart):
    draw, rows = torch.Generator().manual_seed(0), torch.zeros(600, dtype=torch.int64)
    drawn = apart["sample"].choose_some(rows, draw, 2)
    assert ((drawn == 0).sum(1) == 1).all()
    assert set(drawn.flatten().tolist()) == {0, 1, 2, 3}
