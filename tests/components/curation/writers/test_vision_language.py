"""A model of pictures and words, of weights drawn by a seed, that says another thing of each picture."""

import hashlib
import random
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)  # fmt: skip

from components.contracts.progress import silent
from components.curation.making import Making
from components.curation.ops.rewrite import Rewrite
from components.curation.pieces import InProcess
from components.curation.pipeline import curated
from components.curation.writers.vision_language import VisionLanguageWriter
from components.data.manifest import SCHEMA
from tests.components.curation.toy import row
from tests.components.serving.tiny_package import COLOURS, picture
from tests.shards import write_shard

WORDS = ["<end>", "<unknown>", "<image>", "a", "red", "green", "blue", "square", "circle", "ring"]
CHAT = (
    "{% for part in messages[0]['content'] %}{{ '<image> ' if part['type'] == 'image' else part['text'] }}{% endfor %}"
)
PICTURES = [picture(colour) for colour in COLOURS.values()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("model")
    tokens = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="<unknown>"))
    tokens.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokens, eos_token="<end>", pad_token="<end>", unk_token="<unknown>",
        additional_special_tokens=["<image>"],
    )  # fmt: skip
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    torch.manual_seed(4)  # of which pictures change what is said; of many others they do not
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=CLIPVisionConfig(**small, image_size=16, patch_size=8),
            text_config=LlamaConfig(**small, num_key_value_heads=1, vocab_size=len(WORDS), eos_token_id=0, bos_token_id=0, pad_token_id=0),
            image_token_id=2, vision_feature_layer=-1,
        )
    )  # fmt: skip
    with torch.no_grad():
        for weights in model.parameters():
            weights.normal_()
    model.save_pretrained(made)
    side = {"height": 16, "width": 16}
    LlavaProcessor(
        image_processor=CLIPImageProcessor(size=side, crop_size=side), tokenizer=tokenizer, patch_size=8,
        vision_feature_select_strategy="default", num_additional_image_tokens=1, image_token="<image>", chat_template=CHAT,
    ).save_pretrained(made)  # fmt: skip
    return made


def test_what_it_says_depends_on_the_picture_and_is_the_same_again(folder):
    writer = VisionLanguageWriter(str(folder), "a {}", most_tokens=6)
    said = [writer.write("square", (), random.Random(0), data) for data in PICTURES]
    assert len(set(said)) > 1
    assert [writer.write("square", (), random.Random(0), data) for data in PICTURES] == said
    assert writer.write("square", (), random.Random(0), b"no picture") is None


def test_a_step_shows_it_pictures_from_the_shards_and_keeps_what_it_wrote(folder, tmp_path):
    write_shard(tmp_path / "raw/train/000000.tar", [(f"{at}.png", data) for at, data in enumerate(PICTURES)])
    tar = (tmp_path / "raw/train/000000.tar").read_bytes()
    rows = [
        row(at, offset=tar.index(data), size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), texts=[])
        for at, data in enumerate(PICTURES)
    ]
    table = pa.Table.from_pylist(rows, SCHEMA)
    writer = VisionLanguageWriter(str(folder), "a {}", most_tokens=6)
    making = Making(tmp_path / "raw", {}, tmp_path / "kept", InProcess(silent))
    left, reports = curated([Rewrite(writer, check=False)], table, making, 0, silent)
    said = [writer.write("", (), random.Random(0), data) for data in PICTURES]
    assert [[text["text"] for text in texts] for texts in left["texts"].to_pylist()] == [[one] for one in said]
    assert reports[0].stats["written"] == len(PICTURES)
    (tmp_path / "raw/train/000000.tar").unlink()
    assert curated([Rewrite(writer, check=False)], table, making, 0, silent)[0].equals(left)
    assert len([*(tmp_path / "kept").iterdir()]) == 1
