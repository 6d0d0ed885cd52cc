"""Marian's models that the test makes: what they say is drawn, that they are asked alike is not."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import MarianConfig, MarianMTModel, PreTrainedTokenizerFast

from components.contracts.errors import CapabilityError, ConfigError
from components.contracts.progress import silent
from components.curation.making import Making
from components.curation.ops.translate import Translate
from components.curation.pieces import InProcess
from components.curation.pipeline import curated
from components.curation.translators.hugging_face import HuggingFaceTranslator
from tests.components.curation.toy import manifest

WORDS = ["<end>", "<unknown>", "<pad>", "ein", "roter", "kreis", "stern", "a", "red", "circle", ">>de<<", ">>nl<<"]
END, PAD = 0, 2


def write_model(folder: Path, says: dict[str, str]) -> Path:
    """Write one whose decoder says the words in turn, whatever it reads: nothing is added to a word, which points at the next."""
    torch.manual_seed(0)
    size = len(WORDS)
    model = MarianMTModel(
        MarianConfig(
            vocab_size=size, d_model=size, encoder_layers=1, decoder_layers=1, encoder_attention_heads=1, decoder_attention_heads=1,
            encoder_ffn_dim=8, decoder_ffn_dim=8, max_position_embeddings=64, pad_token_id=PAD, eos_token_id=END, decoder_start_token_id=PAD,
            tie_word_embeddings=False, share_encoder_decoder_embeddings=False, forced_eos_token_id=None, scale_embedding=False,
        )
    )  # fmt: skip
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" not in name or "bias" in name:
                weight.zero_()
        for table in (model.model.encoder.embed_tokens, model.model.decoder.embed_tokens):
            table.weight.copy_(100 * torch.eye(size))  # beside which its place counts for nothing
        for word, then in says.items():
            model.lm_head.weight[WORDS.index(then), WORDS.index(word)] = 10.0
    model.save_pretrained(folder)
    words = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="<unknown>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token="<end>", pad_token="<pad>", unk_token="<unknown>"
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def circle(tmp_path_factory) -> Path:
    says = {"<pad>": "ein", "ein": "roter", "roter": "kreis", "kreis": "<end>"}
    return write_model(tmp_path_factory.mktemp("circle"), says)


def test_what_the_model_says_stands_behind_the_caption_and_is_kept(circle, tmp_path):
    translator = HuggingFaceTranslator({"en-de": str(circle)})
    assert translator.translate("a red circle", "en", "de") == "ein roter kreis"
    op = Translate(translator, ["de"])
    making = Making(tmp_path / "raw", {}, tmp_path / "kept", InProcess(silent, 1))
    left, (report,) = curated([op], manifest(4), making, 0, silent)
    for own in left["texts"].to_pylist():
        assert [one["text"] for one in own if one["lang"] == "de"] == ["ein roter kreis"] * (len(own) // 2)
    assert report.stats["translated de"] == 6
    (kept,) = (tmp_path / "kept").iterdir()
    when = kept.stat().st_mtime_ns
    assert curated([op], manifest(4), making, 0, silent)[0].equals(left)
    assert [(one, one.stat().st_mtime_ns) for one in (tmp_path / "kept").iterdir()] == [(kept, when)]


def test_a_translation_that_does_not_come_to_its_end_is_none(circle):
    """Half a sentence would be read as all that is to be said of a picture."""
    assert HuggingFaceTranslator({"en-de": str(circle)}, most_tokens=3).translate("a red circle", "en", "de") is None
    assert (
        HuggingFaceTranslator({"en-de": str(circle)}, most_tokens=5).translate("a red circle", "en", "de")
        == "ein roter kreis"
    )


def test_other_files_or_pairs_are_kept_under_another_name(circle, tmp_path):
    other = write_model(tmp_path, {"<pad>": "stern", "stern": "<end>"})
    names = [
        HuggingFaceTranslator(models).kept_as
        for models in ({"en-de": str(circle)}, {"en-de": str(other)}, {"en-nl": str(circle)}, {"en-de": str(circle), "de-en": str(other)})
    ]  # fmt: skip
    assert len(set(names)) == 4


def test_a_model_of_several_languages_is_told_which(circle, monkeypatch):
    translator = HuggingFaceTranslator({"en-de": str(circle), "en-nl": str(circle)}, prompt=">>{into}<< {}")
    assert translator.pairs == {("en", "de"), ("en", "nl")}
    assert {pair: writer.prompt for pair, writer in translator._writers.items()} == {
        ("en", "de"): ">>de<< {}", ("en", "nl"): ">>nl<< {}",
    }  # fmt: skip
    assert translator.translate("a red circle", "en", "nl") == "ein roter kreis"


def test_a_model_that_says_nothing_has_no_translation_and_one_that_repeats_has(tmp_path):
    silent_one = write_model(tmp_path / "silent", {"<pad>": "<end>"})
    assert HuggingFaceTranslator({"en-de": str(silent_one)}).translate("a", "en", "de") is None
    same = write_model(tmp_path / "same", {"<pad>": "a", "a": "<end>"})
    assert HuggingFaceTranslator({"en-de": str(same)}).translate("a", "en", "de") == "a"


@pytest.mark.skipif(find_spec("sentencepiece") is not None, reason="SentencePiece is here, so that nothing is lacking")
def test_a_tokenizer_that_wants_a_library_is_told_of_with_its_name(tmp_path):
    folder = write_model(tmp_path, {"<pad>": "a", "a": "<end>"})
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "MarianTokenizer"}))
    (folder / "vocab.json").write_text(json.dumps({"</s>": 0, "<unk>": 1, "<pad>": 2}))
    for file in ("source.spm", "target.spm"):
        (folder / file).write_bytes(b"nothing that anybody reads")
    with pytest.raises(CapabilityError, match=r"MarianTokenizer requires the SentencePiece library .*pip install"):
        HuggingFaceTranslator({"en-de": str(folder)}).translate("a", "en", "de")


@pytest.mark.parametrize(
    ("models", "said"), [({}, "models is empty"), ({"german": "x"}, "called by two languages"), ({"en-en": "x"}, "two languages")]
)  # fmt: skip
def test_pairs_that_are_none_are_refused(models, said):
    with pytest.raises(ConfigError, match=said):
        HuggingFaceTranslator(models)
