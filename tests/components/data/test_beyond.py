"""What is cut away can be counted by hand where every byte is a token."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from components.data.beyond import Beyond, beyond
from components.data.tokenizers import Vocabulary

BYTES = 3 + 256  # tokens of a vocabulary that has learned no word: three marks and every byte
LETTERS = Vocabulary.train(["x"], size=BYTES, context=8)  # start, a space, five letters, end


def test_every_letter_beyond_the_context_is_counted():
    assert beyond(LETTERS, ["abcde", "abcdef", "abcdefghij", "abcdef"]) == Beyond(
        context=8, captions=4, cut=3, longest=13, tokens=8 + 9 + 13 + 9, lost=1 + 5 + 1
    )


def test_no_captions_lose_nothing():
    assert beyond(LETTERS, []) == Beyond(context=8, captions=0, cut=0, longest=0, tokens=0, lost=0)


@given(st.lists(st.text(max_size=12), max_size=5))
def test_what_is_left_is_what_the_vocabulary_reads(captions):
    found = beyond(LETTERS, captions)
    read = int(LETTERS(captions).mask.sum()) if captions else 0
    assert found.tokens - found.lost == read
    assert bool(found.cut) is (found.lost > 0) is (found.longest > found.context)


def test_the_vocabulary_goes_on_cutting():
    beyond(LETTERS, ["abcdefghij"])
    assert LETTERS(["abcdefghij"]).ids.shape == (1, 8)


def test_it_is_said_in_a_sentence():
    found = Beyond(context=24, captions=2000, cut=50, longest=91, tokens=20000, lost=500)
    assert str(found) == (
        "50 of 2,000 captions are longer than 24 tokens, the longest 91: 2.5% of all tokens are cut away"
    )
    assert str(dataclasses.replace(found, cut=0, lost=0)) == "none of 2,000 captions is longer than 24 tokens"


def test_in_pieces_only_what_no_piece_holds_is_lost():
    captions = ["ab. cd. ef.", "abcdefghij. ab"]  # context 8: start, a space, five letters, end
    assert beyond(LETTERS, captions).lost == 6 + 9
    for policy in ("split", "sample"):
        found = beyond(LETTERS, captions, policy)
        assert (found.cut, found.lost) == (2, 6), "ab. | cd. | ef. and abcdefghij. | ab"
    assert "a few sentences are drawn, and " in str(found)
