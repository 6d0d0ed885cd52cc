"""Captions that are too long are taken apart between sentences, and not a word of them is lost."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from components.data.long_captions import InPieces, taken_apart
from components.data.sentences import sentences
from components.data.tokenizers import Vocabulary

BYTES = 3 + 256  # tokens of a vocabulary that has learned no word: three marks and every byte
LETTERS = Vocabulary.train(["x"], size=BYTES, context=12)  # start, a space, nine letters, end
LONG = "a cat. a dog. it is far too long a sentence. so."


def test_what_fits_stays_whole_and_neighbours_that_fit_stay_together():
    apart = InPieces(LETTERS)
    assert apart("a cat. x.") == ("a cat. x.",)
    assert apart("a cat. x. a dog.") == ("a cat. x.", "a dog.")
    assert apart(LONG) == ("a cat.", "a dog.", "it is far too long a sentence.", "so.")
    assert apart("one word after another") == ("one word after another",), "one sentence: nothing to take apart"
    assert apart(" \n \n " * 9) == (" \n \n " * 9,)


@given(st.lists(st.text("ab .!?\n。", max_size=15), max_size=6).map(" ".join))
def test_no_letter_is_lost_and_only_single_sentences_are_too_long(caption):
    apart = InPieces(LETTERS)
    pieces = apart(caption)
    assert "".join("".join(pieces).split()) == "".join(caption.split())
    for piece in pieces:
        assert apart.length(piece) <= LETTERS.context or len(sentences(piece)) <= 1
    for left, right in pairwise(pieces):
        assert apart.length(f"{left} {sentences(right)[0]}") > LETTERS.context, "it would have fitted in"


def test_a_policy_is_what_one_caption_becomes():
    captions = [["a cat", LONG], ["a dog"]]
    pieces = InPieces(LETTERS)(LONG)
    assert taken_apart(captions, "truncate", LETTERS) == [[("a cat",), (LONG,)], [("a dog",)]]
    assert taken_apart(captions, "split", LETTERS) == [[("a cat",), *((one,) for one in pieces)], [("a dog",)]]
    assert taken_apart(captions, "sample", LETTERS) == [[("a cat",), pieces], [("a dog",)]]
