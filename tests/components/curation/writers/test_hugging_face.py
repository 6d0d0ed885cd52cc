"""A language model that the test makes: which word follows which is set by hand, so that what it writes is known."""

import pickle
import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)  # fmt: skip

from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import silent
from components.curation.making import Making
from components.curation.ops.rewrite import Rewrite
from components.curation.pieces import InProcess
from components.curation.pipeline import curated
from components.curation.writers.hugging_face import HuggingFaceWriter
from tests.components.curation.toy import manifest

WORDS = ["<end>", "<unknown>", "say:", "a", "red", "circle", "big"]
PROMPT = "{} say:"


def write_tokenizer(folder: Path) -> None:
    words = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="<unknown>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token="<end>", pad_token="<end>", unk_token="<unknown>"
    ).save_pretrained(folder)


def write_model(folder: Path, follows: dict[str, list[str]]) -> Path:
    """Write a model of one layer that adds nothing: each word is a direction of its own, and points at those that follow it."""
    size = len(WORDS)
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=size, n_positions=64, n_embd=size, n_layer=1, n_head=1, tie_word_embeddings=False, bos_token_id=0, eos_token_id=0,
        )
    )  # fmt: skip
    with torch.no_grad():
        for weights in model.parameters():
            weights.zero_()
        model.transformer.wte.weight.copy_(torch.eye(size))
        model.transformer.ln_f.weight.fill_(1.0)
        for word, others in follows.items():
            for other in others:
                model.lm_head.weight[WORDS.index(other), WORDS.index(word)] = 10.0
    model.save_pretrained(folder)
    write_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def says_a_circle(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"), {"say:": ["a"], "a": ["circle"], "circle": ["<end>"]})


def rewritten(folder: Path, cache: Path, **numbers: float):
    op = Rewrite(HuggingFaceWriter(str(folder), PROMPT, **numbers))
    left, reports = curated([op], manifest(20), Making(cache / "raw", {}, cache / "kept", InProcess(silent)), 0, silent)
    return left, reports[0]


def test_what_the_model_says_is_taken_where_the_old_caption_names_it(says_a_circle, tmp_path):
    left, report = rewritten(says_a_circle, tmp_path)
    for old, new in zip(manifest(20)["texts"].to_pylist(), left["texts"].to_pylist(), strict=True):
        told = [one["text"] for one in new if one["kind"] == "rewritten"]
        assert told == (["a circle"] if "circle" in old[0]["text"] else [])
    assert report.stats["written"] == 4
    assert report.stats["refused"] > 0


def test_what_it_wrote_is_kept_and_other_weights_or_numbers_are_asked_again(says_a_circle, tmp_path):
    first, report = rewritten(says_a_circle, tmp_path)
    (kept,) = (tmp_path / "kept").iterdir()
    when = kept.stat().st_mtime_ns
    again, said = rewritten(says_a_circle, tmp_path)
    assert again.equals(first)
    assert said == report
    assert kept.stat().st_mtime_ns == when
    rewritten(says_a_circle, tmp_path, most_tokens=2)
    other = write_model(tmp_path / "other", {"say:": ["a"], "a": ["red"], "red": ["circle"], "circle": ["<end>"]})
    assert rewritten(other, tmp_path)[0]["texts"][0].as_py()[-1]["text"] == "a red circle"
    assert len([*(tmp_path / "kept").iterdir()]) == 3


def test_words_are_drawn_by_luck_alone(tmp_path):
    folder = write_model(tmp_path, {"say:": ["big", "red"], "big": ["<end>"], "red": ["<end>"]})
    writer = HuggingFaceWriter(str(folder), PROMPT, temperature=1.0)
    state = torch.random.get_rng_state()
    drawn = [writer.write("circle", (), random.Random(luck)) for luck in range(20)]
    assert {"big", "red"} <= set(drawn)
    assert [writer.write("circle", (), random.Random(luck)) for luck in range(20)] == drawn
    assert torch.equal(torch.random.get_rng_state(), state)
    likeliest = HuggingFaceWriter(str(folder), PROMPT)
    assert len({likeliest.write("circle", (), random.Random(luck)) for luck in range(5)}) == 1


def test_a_template_for_chats_is_filled_in(tmp_path):
    folder = write_model(tmp_path, {"big": ["red"], "red": ["<end>"], "circle": ["a"], "a": ["<end>"]})
    writer = HuggingFaceWriter(str(folder), "{}")
    assert writer.write("circle", (), random.Random(0)) == "a"
    (folder / "chat_template.jinja").write_text("{{ messages[0]['content'] }} big")
    assert HuggingFaceWriter(str(folder), "{}").write("circle", (), random.Random(0)) == "red"


def test_a_model_of_encoder_and_decoder_writes_too(tmp_path):
    torch.manual_seed(3)
    T5ForConditionalGeneration(
        T5Config(
            vocab_size=len(WORDS), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, eos_token_id=0, pad_token_id=0,
            decoder_start_token_id=0,
        )
    ).save_pretrained(tmp_path)  # fmt: skip
    write_tokenizer(tmp_path)
    writer = HuggingFaceWriter(str(tmp_path), "{}", most_tokens=5, temperature=1.0)
    said = [writer.write("a red circle", (), random.Random(luck)) for luck in range(5)]
    assert any(said)
    assert all(set((one or "").split()) <= set(WORDS) for one in said)


def test_another_process_gets_the_numbers_and_not_the_model(says_a_circle):
    writer = HuggingFaceWriter(str(says_a_circle), PROMPT)
    assert writer.write("circle", (), random.Random(0)) == "a circle"
    sent = pickle.dumps(writer)
    assert len(sent) < 1000
    assert pickle.loads(sent).write("circle", (), random.Random(0)) == "a circle"


def test_a_folder_that_is_missing_or_has_pickles_or_nonsense_is_refused(says_a_circle, tmp_path):
    with pytest.raises(ConfigError, match=r"there is no nowhere/config\.json.*nothing is fetched"):
        HuggingFaceWriter("nowhere").write("a", (), random.Random(0))
    folder = write_model(tmp_path / "model", {})
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:40])
    with pytest.raises(DataError, match=r"the model in .* cannot be read"):
        HuggingFaceWriter(str(folder)).write("a", (), random.Random(0))
    save_file({"transformer.wte.weight": torch.eye(len(WORDS))}, weights, {"format": "pt"})
    with pytest.raises(DataError, match="ValueError: it has no weights for lm_head"):
        HuggingFaceWriter(str(folder)).write("a", (), random.Random(0))
    weights.unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ConfigError, match=r"no weights in safetensors, only pytorch_model\.bin: pickles can run code"):
        HuggingFaceWriter(str(folder)).write("a", (), random.Random(0))


@pytest.mark.parametrize(
    ("numbers", "said"),
    [({"prompt": "no place"}, "prompt is 'no place'"), ({"most_tokens": 0}, "most_tokens is 0"), ({"temperature": -1}, "temperature is -1")],
)  # fmt: skip
def test_numbers_that_do_not_fit_are_refused(numbers, said):
    with pytest.raises(ConfigError, match=said):
        HuggingFaceWriter("model", **numbers)
