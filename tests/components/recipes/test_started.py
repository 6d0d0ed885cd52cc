"""A training begins with the weights, the words and the pixels of its start, or is refused before its first step."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from components.contracts.errors import ConfigError, DataError
from components.contracts.method import Method
from components.contracts.model_files import TOKENIZER, WEIGHTS
from components.data.transforms.preprocess import Preprocess
from components.models.dual_encoder import DualEncoder
from components.recipes.interop import import_model
from components.recipes.params import Begin
from components.recipes.recipe import load_recipe, overlay
from components.recipes.section import build
from components.recipes.started import Start, beginning
from components.recipes.trained import save_trained
from components.stages.pretrain import give
from tests.squares import REPOSITORY, SIDE, described_at_debug

GOLDEN = REPOSITORY / "tests/golden/transformers"
CAPTIONS = ["another text than the start was trained on"]


@pytest.fixture
def root(clip, vocabulary, tmp_path) -> Path:
    """A workspace with clip's model in runs/clip/pretrain, trimmed pictures and all."""
    folder = tmp_path / "runs/clip/pretrain"
    folder.mkdir(parents=True)
    save_trained(folder, clip.model, described_at_debug(vocabulary), vocabulary, Preprocess(size=SIDE, trim=True))
    return tmp_path


def begun(root: Path, begin: Begin, recipe: str = "clip", pixels: int = SIDE):
    return beginning(root, begin, load_recipe(REPOSITORY, recipe, "debug"), pixels, CAPTIONS)


def test_weights_words_and_transform_are_the_starts(root, vocabulary):
    made = begun(root, Begin(start="runs/clip/pretrain"))
    assert made.vocabulary.tokenizer.to_str() == vocabulary.tokenizer.to_str()
    assert made.preprocess == Preprocess(size=SIDE, trim=True)
    torch.manual_seed(1)
    model = build(made.described, DualEncoder)
    made.start.give(model, "clip")
    kept = load_file(root / "runs/clip/pretrain" / WEIGHTS)
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())


def test_without_a_start_words_are_learnt_and_nothing_was_read(root, vocabulary):
    made = begun(root, Begin())
    assert (made.start, made.files, made.as_json()) == (None, (), None)
    assert made.vocabulary.tokenizer.to_str() != vocabulary.tokenizer.to_str()
    assert made.preprocess.size == SIDE


def test_a_recipe_with_words_of_its_own_learns_them_and_takes_the_starts_pictures_and_tower(root, vocabulary):
    made = begun(root, Begin(start="runs/clip/pretrain"), recipe="wukong")
    assert made.vocabulary.tokenizer.to_str() != vocabulary.tokenizer.to_str()
    assert made.vocabulary(["<人名>"]).mask.sum() == 3
    assert made.preprocess == Preprocess(size=SIDE, trim=True)
    recipe = load_recipe(REPOSITORY, "wukong", "debug")
    method = build(overlay(recipe.method, {"init_args": {"model": made.described}}), Method)
    give(made.start, method, method.model, "wukong", own_words=recipe.training.own_words)
    kept = load_file(root / "runs/clip/pretrain" / WEIGHTS)
    tower = method.model.image.tower.tower.state_dict()
    assert all(torch.equal(value, kept[f"image.{name}"]) for name, value in tower.items())
    assert len(made.vocabulary) == method.model.text.embedding.num_embeddings


def test_words_of_its_own_are_refused_where_the_starts_text_tower_is_taken(root, clip):
    made = begun(root, Begin(start="runs/clip/pretrain"))
    with pytest.raises(ConfigError, match=r"clip would read words of its own \(training.own_words\)"):
        give(made.start, clip, clip.model, "clip", own_words=True)


def test_a_start_of_another_model_is_refused_with_what_either_has(root):
    made = begun(root, Begin(start="runs/clip/pretrain"), recipe="siglip")
    with pytest.raises(
        ConfigError, match=r"runs/clip/pretrain does not fit the model of siglip: it lacks logit_scale\.bias"
    ):
        made.start.give(build(made.described, DualEncoder), "siglip")
    made.described["init_args"]["logit_scale"]["init_args"].pop("bias")
    made.described["init_args"]["width"] = 16
    made.described["init_args"]["text"]["init_args"]["depth"] = 0
    says = r"only it has text\.blocks\.0\.\S+, .* and \d+ more; it has \S+ \(32, 32\) and not \(16, 32\).*recipes.siglip.model: start"
    with pytest.raises(ConfigError, match=says):
        made.start.give(build(made.described, DualEncoder), "siglip")


def test_pictures_of_another_size_are_refused_with_what_to_set(root):
    with pytest.raises(
        ConfigError, match=r"pictures of 32 pixels a side, and the scale shows 40.*--set training.pixels=32"
    ):
        begun(root, Begin(start="runs/clip/pretrain"), pixels=40)


def test_what_is_no_model_of_ours_is_refused_with_how_to_make_it_one(root):
    (root / "runs/clip/pretrain" / TOKENIZER).unlink()
    with pytest.raises(
        DataError, match=r"lacks tokenizer.json, so there is no model to begin from.*diptych model import"
    ):
        begun(root, Begin(start="runs/clip/pretrain"))


def test_a_cut_off_file_of_weights_is_no_start(root):
    weights = root / "runs/clip/pretrain" / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(DataError, match=WEIGHTS):
        begun(root, Begin(start="runs/clip/pretrain"))


def test_its_digest_is_of_its_bytes_and_of_nothing_beside_them(root):
    folder = root / "runs/clip/pretrain"
    first = Start.read(root, "runs/clip/pretrain").digest
    shutil.copytree(folder, root / "elsewhere")
    (root / "elsewhere/metrics.json").write_text("{}")
    assert Start.read(root, "elsewhere").digest == first
    weights = load_file(folder / WEIGHTS)
    weights["logit_scale.log_scale" if "logit_scale.log_scale" in weights else next(iter(weights))] += 1
    save_file(weights, folder / WEIGHTS)
    assert Start.read(root, "runs/clip/pretrain").digest != first


@pytest.mark.parametrize("family", ["clip_quick_gelu", "siglip"])
def test_an_imported_model_is_trained_on_as_it_is(root, family):
    import_model(GOLDEN / family, "huggingface", root / "models/theirs")
    made = begun(root, Begin(start="models/theirs", model="start"), pixels=16)
    torch.manual_seed(1)
    model = build(made.described, DualEncoder)
    made.start.give(model, "clip")
    theirs = made.start.embedder
    words = made.vocabulary(["a red square", "circle"])
    assert made.vocabulary.pad == theirs.vocabulary.pad
    torch.testing.assert_close(
        model.eval().encode_text(words).pooled, theirs.model.encode_text(words).pooled, rtol=0, atol=0
    )
