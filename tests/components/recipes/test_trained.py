"""A trained model comes back from its folder to the last bit, or not at all."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from components.contracts.errors import ConfigError, DataError
from components.contracts.model_files import MODEL, MODEL_FILES, TOKENIZER, WEIGHTS
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.evaluation.embedding import Embedder
from components.recipes.trained import load_trained, load_untrained, save_trained
from tests.squares import described_at_debug

PREPROCESS = Preprocess(size=32, background=(250, 240, 230))


@pytest.fixture
def folder(clip, vocabulary, tmp_path):
    """A model whose weights and running means are no initial ones."""
    torch.manual_seed(7)
    with torch.no_grad():
        for value in clip.model.state_dict().values():
            if value.is_floating_point():
                value.add_(torch.rand_like(value), alpha=0.1)
    save_trained(tmp_path, clip.model, described_at_debug(vocabulary), vocabulary, PREPROCESS)
    return tmp_path


def test_it_gives_the_same_embeddings_to_the_last_bit(folder, clip, vocabulary, squares):
    kept, loaded = Embedder(clip.model, vocabulary, PREPROCESS, batch=16), load_trained(folder, batch=16)
    texts = [*(name for (name,) in squares.captions), "", "\N{PARTY POPPER} unseen"]
    assert np.array_equal(loaded.pictures(squares.pictures), kept.pictures(squares.pictures))
    assert np.array_equal(loaded.texts(texts), kept.texts(texts))
    assert loaded.preprocess == PREPROCESS


def test_the_untrained_model_has_the_seeds_weights_and_leaves_the_global_draw_alone(folder, squares):
    before = torch.random.get_rng_state()
    first, again, other = (load_untrained(folder, seed) for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.array_equal(first.pictures(squares.pictures), again.pictures(squares.pictures))
    assert not np.allclose(first.pictures(squares.pictures), other.pictures(squares.pictures))
    assert not np.allclose(first.pictures(squares.pictures), load_trained(folder).pictures(squares.pictures))
    assert (first.preprocess, len(first.vocabulary)) == (PREPROCESS, len(load_trained(folder).vocabulary))
    assert not first.model.training


def test_the_folder_holds_exactly_the_files_of_a_model(folder):
    assert {path.name for path in folder.iterdir()} == set(MODEL_FILES)


def test_loading_leaves_the_global_draw_of_a_later_model_alone_in_its_weights(folder):
    first = load_trained(folder)
    torch.rand(3)
    second = load_trained(folder)
    assert all(torch.equal(v, second.model.state_dict()[name]) for name, v in first.model.state_dict().items())
    assert not first.model.training


@pytest.mark.parametrize("name", MODEL_FILES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(DataError, match=rf"lacks {name}.*dvc repro"):
        load_trained(folder)


def test_an_empty_folder_is_no_model(tmp_path):
    with pytest.raises(DataError, match=", ".join(MODEL_FILES)):
        load_trained(tmp_path)


@pytest.mark.parametrize("change", ["renamed", "missing", "shape", "torn", "empty"])
def test_weights_of_another_model_are_refused(folder, change):
    weights = load_file(folder / WEIGHTS)
    name = "text_projection.linear.weight"
    if change == "renamed":
        weights["text_head.weight"] = weights.pop(name)
    elif change == "missing":
        del weights[name]
    elif change == "shape":
        weights[name] = weights[name][:, :-1].contiguous()
    save_file(weights, folder / WEIGHTS)
    whole = (folder / WEIGHTS).read_bytes()
    if change in ("torn", "empty"):
        (folder / WEIGHTS).write_bytes(whole[: len(whole) // 2] if change == "torn" else b"")
    with pytest.raises(DataError, match=rf"{WEIGHTS} does not fit {MODEL}"):
        load_trained(folder)


def test_a_description_of_another_architecture_is_refused(folder):
    described = json.loads((folder / MODEL).read_text())
    described["init_args"]["text"]["init_args"]["width"] = 16
    (folder / MODEL).write_text(json.dumps(described))
    with pytest.raises(DataError, match="does not fit"):
        load_trained(folder)


@pytest.mark.parametrize("class_path", ["torch.nn.Identity", "os.system", "components.methods.clip.Clip"])
def test_a_description_of_no_model_is_refused(folder, class_path):
    (folder / MODEL).write_text(json.dumps({"class_path": class_path, "init_args": {}}))
    with pytest.raises(ConfigError):
        load_trained(folder)


def test_a_tokenizer_of_another_model_is_refused(folder, vocabulary):
    other = Vocabulary.train(["entirely other words"], size=270, context=vocabulary.context)
    other.save(folder / TOKENIZER)
    with pytest.raises(DataError, match=f"has 270 tokens, but {MODEL} beside it embeds {len(vocabulary)}"):
        load_trained(folder)


def test_a_tokenizer_that_is_none_is_refused(folder):
    (folder / TOKENIZER).write_text("{}")
    with pytest.raises(DataError, match="cannot be read as a tokenizer"):
        load_trained(folder)
