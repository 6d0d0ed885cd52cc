"""Where concepts stand, as tokens: the words that a place has, and none of a place that was cut off."""

from dataclasses import replace

import pytest
import torch

from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import silent
from components.contracts.text_pick import TextPick
from components.data.rows.decoded import decode_pairs
from components.data.rows.mentions import Mentions
from components.data.share import Share
from components.data.transforms.preprocess import Preprocess
from tests.golden.make_clip_debug import batches_at_debug
from tests.squares import linked

TEXTS = (
    ("a red square", "a green square at the left"),
    ("no thing",),
    ("a pink square at the middle, and a blue square",),
)
PLACES = (([(6, 12)], [(2, 7), (8, 14)]), ([],), ([(2, 13), (39, 45)],))


@pytest.fixture(scope="module")
def mentions(vocabulary) -> Mentions:
    return Mentions(vocabulary, TEXTS, PLACES)


def words(vocabulary, ids: list[int]) -> str:
    return vocabulary.tokenizer.decode(ids).strip()


def test_spans_are_the_tokens_of_their_places_and_the_start_counts(vocabulary, mentions):
    texts = [text for own in TEXTS for text in own]
    ids = vocabulary(texts).ids
    spans = mentions.spans(torch.tensor([3, 2, 1, 0]))  # by number of the caption, in an order of the step's
    rows = spans.row.tolist()
    assert rows == sorted(rows) == [0, 2, 2, 3]
    found = [
        words(vocabulary, ids[3 - row, first:last].tolist())
        for row, first, last in zip(rows, spans.first.tolist(), spans.last.tolist(), strict=True)
    ]
    assert found == ["pink square", "green", "square", "square"]
    assert int(spans.first.min()) > 0


def test_a_place_that_is_cut_off_is_left_out_and_counted(vocabulary, mentions):
    cut = vocabulary.tokenizer.encode(TEXTS[2][0])
    assert max(last for _, last in cut.offsets) < 45
    assert mentions.cut == 1
    assert len(mentions.tokens) == 4
    end = max(last for _, last in cut.offsets)
    in_part = Mentions(vocabulary, TEXTS[2:], (([(end - 1, end), (end - 1, end + 1)],),))
    assert (len(in_part.tokens), in_part.cut) == (1, 1)


def test_captions_without_any_have_none(mentions):
    assert len(mentions.spans(torch.tensor([2]))) == 0
    assert mentions.spans(torch.tensor([2])).first.shape == (0,)


def test_places_follow_their_captions_where_only_some_are_read(vocabulary, squares):
    """Kinds are drawn from, and others left: the places are those of the captions that stay."""
    pool = linked(replace(
        squares, captions=tuple((f"by {name}", name) for (name,) in squares.captions), kinds=(("long", "short"),) * len(squares.keys)
    ))  # fmt: skip
    pairs = decode_pairs(pool, Preprocess(size=8), silent)
    of = Mentions.of(vocabulary, pairs, [(own[1],) for own in pairs.captions], "truncate")
    both = Mentions.of(vocabulary, pairs, pairs.captions, "truncate")
    assert torch.equal(of.tokens, both.tokens[1::2])
    assert not torch.equal(both.tokens[::2], both.tokens[1::2])


def test_places_are_of_whole_captions(vocabulary, squares):
    pairs = decode_pairs(squares, Preprocess(size=8), silent)
    with pytest.raises(DataError, match=r"no caption says where concepts stand.*Link"):
        Mentions.of(vocabulary, pairs, pairs.captions, "truncate")
    with pytest.raises(ConfigError, match="long_captions is split"):
        Mentions.of(vocabulary, pairs, pairs.captions, "split")
    with pytest.raises(ConfigError, match="mentions are places in whole captions"):
        TextPick(mentions=True, sentences=True)


@pytest.mark.parametrize("count", [1, 2])
def test_a_step_has_those_of_its_texts_and_ranks_have_those_of_their_part(vocabulary, squares, count):
    twice = replace(
        squares, captions=tuple((name, f"{name} of a red square") for (name,) in squares.captions), kinds=()
    )
    batches = batches_at_debug(vocabulary, "clip", linked(twice), {"caption": TextPick(mentions=True, count=count)})
    batch = batches[0]
    spans, texts = batch.spans["caption"].to("cpu"), batch.texts["caption"]
    word = vocabulary(["a square"]).ids[0][2]
    for row in range(len(texts.ids)):
        places = (texts.ids[row] == word).nonzero().flatten().tolist()
        of_row = spans.row == row
        assert spans.first[of_row].tolist() == places
        assert spans.last[of_row].tolist() == [place + 1 for place in places]
    parts = [batches.made_for(Share(rank=rank, world=2), late=False)[0].spans["caption"] for rank in range(2)]
    share = len(texts.ids) // 2
    assert torch.equal(torch.cat([parts[0].row, parts[1].row + share]), spans.row)
    for name in ("first", "last"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(spans, name))
