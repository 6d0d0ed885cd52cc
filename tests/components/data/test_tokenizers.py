"""Rows of one length that start and end as the tower expects, whatever is typed."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from components.contracts.errors import ConfigError, DataError
from components.data.tokenizers import END, PAD, START, Vocabulary

CAPTIONS = [
    "a red heart",
    "a blue square at the left",
    "a smiling face with sunglasses",
    "Ein rotes Herz",
    "赤いハート",
] * 4
CONTEXT = 16
ODD = [
    "",
    " ",
    "\n\t",
    "\x00",
    "é",
    "e\u0301",
    "ﬁ",
    "赤いハート",
    "مرحبا",
    "\N{PARTY POPPER}",
    "<pad>",
    "a <end> b",
    "<start>",
    "x " * 99,
]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.train(CAPTIONS, size=400, context=CONTEXT)


def words_of(vocabulary: Vocabulary, ids: list[int]) -> str:
    """What a row says, without start, end and padding."""
    special = {vocabulary.tokenizer.token_to_id(token) for token in (PAD, START, END)}
    return vocabulary.tokenizer.decode([i for i in ids if i not in special]).removeprefix(" ")


@pytest.mark.parametrize("text", ["a red heart", "A Red HEART", "ein rotes herz", "a square with 3 hearts!"])
def test_a_text_comes_back_in_lower_case(vocabulary, text):
    assert words_of(vocabulary, vocabulary([text]).ids[0].tolist()) == text.lower()


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
@settings(max_examples=150)
def test_any_text_gives_start_words_end_and_padding(vocabulary, text):
    ids, mask = (part[0].tolist() for part in (vocabulary([text]).ids, vocabulary([text]).mask))
    start, end = (vocabulary.tokenizer.token_to_id(token) for token in (START, END))
    real = sum(mask)
    assert len(ids) == len(mask) == CONTEXT
    assert mask == [True] * real + [False] * (CONTEXT - real)
    assert (ids[0], ids[real - 1]) == (start, end)
    assert ids[real:] == [0] * (CONTEXT - real)
    assert not {0, start, end} & set(ids[1 : real - 1])
    assert max(ids) < len(vocabulary)


@pytest.mark.parametrize("text", ["<pad>", "a <end> b", "<start>"])
def test_a_typed_special_token_is_text_like_any_other(vocabulary, text):
    assert words_of(vocabulary, vocabulary([text]).ids[0].tolist()) == text


def test_what_stays_whole_is_one_token_as_it_stands_and_others_read_as_before():
    whole = Vocabulary.train(CAPTIONS, size=400, context=CONTEXT, whole=["<人名>", "[OBJ]"])
    plain = Vocabulary.train(CAPTIONS, size=398, context=CONTEXT)
    ids = {one: whole.tokenizer.token_to_id(one) for one in ("<人名>", "[OBJ]")}
    rows = whole(["a red <人名>", "<人名>[OBJ]", "[obj] 人名 <人 名>"]).ids
    assert [(rows == one).sum(1).tolist() for one in ids.values()] == [[1, 1, 0], [0, 1, 0]]
    assert torch.equal(whole(["a red heart"]).ids, plain(["a red heart"]).ids)
    assert len(whole) == len(plain) + 2
    assert max(ids.values()) < len(whole)


def test_what_stays_whole_is_kept_in_the_file(tmp_path):
    Vocabulary.train(CAPTIONS, size=400, context=CONTEXT, whole=["<人名>"]).save(tmp_path / "tokenizer.json")
    again = Vocabulary.load(tmp_path / "tokenizer.json")
    assert again(["<人名>"]).mask.sum() == 3


@pytest.mark.parametrize(
    ("whole", "says"), [(["a", "a"], "whole is"), ([" "], "whole is"), (["<x>"], "1 for what stays whole")]
)
def test_what_cannot_stay_whole_is_refused(whole, says):
    with pytest.raises(ConfigError, match=says):
        Vocabulary.train(CAPTIONS, size=259, context=CONTEXT, whole=whole)


def test_chinese_comes_back_in_its_compatible_form_and_in_small_letters():
    """NFKC is what is read: wide letters are narrow, and characters that Unicode has twice are one."""
    said = ["红心", "黄色的星星", "(ＡＢ)豈①", "全角\u3000空格"]
    vocabulary = Vocabulary.train(said, size=400, context=CONTEXT)
    for text, read in zip(said, ["红心", "黄色的星星", "(ab)豈1", "全角 空格"], strict=True):
        assert words_of(vocabulary, vocabulary([text]).ids[0].tolist()) == read
    assert torch.equal(vocabulary(["e\u0301"]).ids, vocabulary(["é"]).ids)


def test_a_long_text_is_cut_but_ends(vocabulary):
    ids = vocabulary(["red heart " * 20]).ids[0].tolist()
    assert ids[-1] == vocabulary.tokenizer.token_to_id(END)
    assert words_of(vocabulary, ids).startswith("red heart red heart")


def test_a_row_does_not_depend_on_its_neighbours(vocabulary):
    together = vocabulary(ODD)
    for row, text in enumerate(ODD):
        assert torch.equal(vocabulary([text]).ids[0], together.ids[row])
        assert torch.equal(vocabulary([text]).mask[0], together.mask[row])


def test_an_empty_text_is_start_and_end(vocabulary):
    assert vocabulary([""]).mask.sum() == 2


def test_what_looks_the_same_is_the_same(vocabulary):
    rows = vocabulary(["é", "e\u0301", "ﬁ", "fi"]).ids
    assert torch.equal(rows[0], rows[1])
    assert torch.equal(rows[2], rows[3])


def test_training_twice_learns_the_same(vocabulary):
    again = Vocabulary.train(CAPTIONS, size=400, context=CONTEXT)
    assert again.tokenizer.to_str() == vocabulary.tokenizer.to_str()


def test_the_vocabulary_is_at_most_what_was_asked_and_words_seen_often_are_short():
    small, large = (Vocabulary.train(CAPTIONS, size=size, context=CONTEXT) for size in (270, 400))
    assert len(small) == 270 < len(large) <= 400
    assert large(["a smiling face"]).mask.sum() < small(["a smiling face"]).mask.sum()


def test_what_is_saved_makes_the_same_rows_also_in_the_plain_library(vocabulary, tmp_path):
    vocabulary.save(tmp_path / "tokenizer.json")
    loaded, plain = Vocabulary.load(tmp_path / "tokenizer.json"), Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert (loaded.context, len(loaded)) == (CONTEXT, len(vocabulary))
    for text in (*CAPTIONS, *ODD):
        assert loaded([text]).ids[0].tolist() == vocabulary([text]).ids[0].tolist() == plain.encode(text).ids


@pytest.mark.parametrize("context", [2, 0, -1])
def test_a_context_without_room_for_a_word_is_refused(context):
    with pytest.raises(ConfigError, match=f"context is {context}.*at least 3"):
        Vocabulary.train(CAPTIONS, size=400, context=context)


def test_the_smallest_context_has_room_for_one_word(vocabulary):
    rows = Vocabulary.train(CAPTIONS, size=400, context=3)(["a red heart", ""])
    assert rows.mask.tolist() == [[True] * 3, [True, True, False]]


def test_a_vocabulary_without_room_for_every_byte_is_refused():
    with pytest.raises(ConfigError, match=r"vocabulary is 258.*at least 259"):
        Vocabulary.train(CAPTIONS, size=258, context=CONTEXT)


@pytest.mark.parametrize("lost", ["padding", "truncation"])
def test_a_file_without_padding_or_truncation_is_refused(vocabulary, lost, tmp_path):
    values = json.loads(vocabulary.tokenizer.to_str()) | {lost: None}
    (tmp_path / "tokenizer.json").write_text(json.dumps(values))
    with pytest.raises(DataError, match="no truncation, no padding"):
        Vocabulary.load(tmp_path / "tokenizer.json")


def test_a_file_whose_padding_is_not_id_0_is_refused(vocabulary, tmp_path):
    text = vocabulary.tokenizer.to_str().replace('"<pad>":0', '"<gap>":0')
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(DataError, match="not id 0"):
        Vocabulary.load(tmp_path / "tokenizer.json")


@pytest.mark.parametrize("content", [None, "", "{}", "not json"])
def test_a_file_that_is_no_tokenizer_is_refused_by_name(content, tmp_path):
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=r"tokenizer\.json cannot be read"):
        Vocabulary.load(path)
