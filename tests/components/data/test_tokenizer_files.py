"""Tokenizers as other libraries keep them read texts as those libraries do. The peer is open_clip's own tokenizer."""

import gzip
import json
from pathlib import Path

import pytest
import torch
from open_clip import SimpleTokenizer
from open_clip.tokenizer import canonicalize_text, default_bpe
from tokenizers import Tokenizer
from tokenizers.models import BPE

from components.contracts.errors import DataError
from components.data.tokenizer_files import END, canonical, of_length, read_tokenizer

LIST = Path(default_bpe())
TEXTS = [
    "a photo of a cat", "A  PHOTO\tof\na Dog!!", "", "it's 12 o'clock; they'll've gone", "naïve café № 5", "ein Mädchen läuft",
    "猫と犬", "Кошка", "🐈‍⬛ black cat", "100% (of) [all] #tags @you", "!! ! wow!", "x" * 300, "word " * 100,
    "https://example.org/a_b-c?d=e", "a\N{NO-BREAK SPACE}b", "İstanbul",
]  # fmt: skip


@pytest.fixture(scope="module")
def clips() -> Tokenizer:
    return read_tokenizer(LIST)


def test_clips_list_reads_texts_as_open_clip_does(clips):
    rows = of_length(clips, 77, pad=0)(TEXTS)
    assert torch.equal(rows.ids, SimpleTokenizer()(TEXTS))
    assert clips.get_vocab_size() == 49408
    ends = rows.ids[torch.arange(len(TEXTS)), rows.mask.sum(1) - 1]
    assert set(ends.tolist()) == {clips.token_to_id(END)}


def test_texts_lose_case_and_punctuation_as_in_open_clip_where_a_model_learned_them_so():
    made = canonical(Tokenizer(BPE()), underscore=" ")
    odd = [
        text for text in TEXTS if "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}" not in text
    ]  # two letters when lowered
    odd += ["snake_case__x", "!\"#$%&'()*+,-./:;<=>?@[\\]^`{|}~ a - b"]
    assert [made.normalizer.normalize_str(text) for text in odd] == [canonicalize_text(text) for text in odd]
    assert canonical(Tokenizer(BPE()), underscore="").normalizer.normalize_str("A_b") == "ab"


def test_what_a_tokenizer_did_to_texts_it_still_does(clips):
    assert canonical(clips, " ").encode("A Cat!").ids == clips.encode("a cat").ids


def test_vocabulary_and_merges_read_the_same(clips, tmp_path):
    model = json.loads(clips.to_str())["model"]
    (tmp_path / "vocab.json").write_text(json.dumps(model["vocab"]))
    lines = "\n".join(["#version: 0.2", *(" ".join(pair) for pair in model["merges"])])
    (tmp_path / "merges.txt").write_text(lines + "\n")
    assert [row.ids for row in read_tokenizer(tmp_path).encode_batch(TEXTS)] == [
        row.ids for row in clips.encode_batch(TEXTS)
    ]


def test_a_folder_is_looked_through_in_order(clips, tmp_path):
    (tmp_path / LIST.name).symlink_to(LIST)
    assert read_tokenizer(tmp_path).get_vocab_size() == 49408
    small = Tokenizer.from_str(clips.to_str())
    small.add_tokens(["<another>"])
    small.save(str(tmp_path / "tokenizer.json"))
    assert read_tokenizer(tmp_path).get_vocab_size() == 49409


def test_what_a_file_says_of_length_and_padding_gives_way(clips):
    clips.enable_padding(pad_id=49407, length=5)
    rows = of_length(clips, 8, pad=0)(["a cat", "a photo of a black cat on a red roof"])
    assert rows.ids[0].tolist()[4:] == [0] * 4
    assert rows.mask.sum(1).tolist() == [4, 8]
    assert rows.ids[1, -1] == clips.token_to_id(END)


def test_a_folder_without_one_is_refused_with_what_would_do(tmp_path):
    with pytest.raises(
        DataError, match=r"has no tokenizer.*--tokenizer: tokenizer\.json, vocab\.json, bpe_simple_vocab"
    ):
        read_tokenizer(tmp_path)


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.json", "bpe_simple_vocab_16e6.txt.gz"])
@pytest.mark.parametrize("content", [b"", b"{", gzip.compress(b"one line")], ids=["empty", "cut", "short"])
def test_a_file_that_is_no_tokenizer_is_refused_by_name(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as a tokenizer"):
        read_tokenizer(tmp_path)


def test_a_padding_that_no_token_has_is_refused(clips):
    with pytest.raises(DataError, match="has no token 60000 to pad with; it has 49408"):
        of_length(clips, 8, pad=60000)
