"""A tokenizer that does not read a writing is told from one that does."""

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from components.contracts.errors import DataError
from components.data.tokenizers import Vocabulary
from components.data.unread import check_read, unread

ENGLISH, CHINESE = ["a red heart", "a yellow star"], ["红色的心", "黄色的星星"]


def word_piece(words: list[str]) -> Vocabulary:
    """One as BERT has it: characters that are there, and [UNK] for all others."""
    tokens = ["[PAD]", "[UNK]", *dict.fromkeys(words)]
    tokenizer = Tokenizer(models.WordPiece({token: number for number, token in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()  # which puts blanks around Chinese characters
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding(pad_token="[PAD]", length=16)
    return Vocabulary(tokenizer)


def test_byte_pairs_read_everything():
    learnt = Vocabulary.train(ENGLISH, size=300, context=16)
    assert unread(learnt, CHINESE) == 0
    check_read(learnt, CHINESE)


def test_tokens_that_stand_for_nothing_known_are_counted_beyond_where_a_text_is_cut():
    characters = word_piece(list("红色的心黄"))
    assert unread(characters, CHINESE) == pytest.approx(2 / 9)
    assert unread(characters, ["红" * 30 + "星" * 10]) == pytest.approx(10 / 40)
    assert unread(characters, []) == 0


def test_a_tokenizer_of_another_writing_is_refused_with_a_caption_and_a_share_below_the_bound_is_not():
    english = word_piece(["a", "red", "heart", "yellow", "star"])
    check_read(english, ENGLISH)
    with pytest.raises(
        DataError, match="no token for 100% of what the captions say, such as in '红色的心'; 5% is the most"
    ):
        check_read(english, CHINESE)
    few = word_piece(list("红色的心黄星"))
    check_read(few, [*CHINESE * 10, "绿"])
    with pytest.raises(DataError, match="such as in '绿'"):
        check_read(few, [*CHINESE, "绿"])
