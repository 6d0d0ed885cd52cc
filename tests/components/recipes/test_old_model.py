"""What shall search an old model's index reads its words and sees its pixels, and is refused where it could not."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from components.contracts.errors import ConfigError, DataError
from components.contracts.model_files import COMPATIBLE, MODEL_FILES, WEIGHTS
from components.contracts.sealed import sha256_of
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.recipes.old_model import OldModel
from components.recipes.params import Begin
from components.recipes.recipe import load_recipe
from components.recipes.started import beginning
from components.recipes.trained import save_trained
from tests.squares import REPOSITORY, SIDE, described_at_debug

OLD = "models/clip-1-0123abcd"
KNOWN = {"label": "clip@1", "digest": "d" * 64, "space": "5" * 64}


@pytest.fixture
def root(clip, vocabulary, tmp_path) -> Path:
    """A workspace into which clip's model was laid, trimmed pictures and all."""
    folder = tmp_path / OLD
    folder.mkdir(parents=True)
    save_trained(folder, clip.model, described_at_debug(vocabulary), vocabulary, Preprocess(size=SIDE, trim=True))
    files = {name: sha256_of(folder / name) for name in MODEL_FILES}
    (folder / COMPATIBLE).write_text(json.dumps({**KNOWN, "files": files}))
    return tmp_path


def begun(root: Path, begin: Begin, pixels: int = SIDE):
    return beginning(root, begin, load_recipe(REPOSITORY, "clip", "debug"), pixels, ["other words than the old one's"])


def test_words_and_transform_are_the_old_models_and_weights_are_drawn(root, clip, vocabulary):
    made = begun(root, Begin(compatible_with=OLD))
    assert made.vocabulary.tokenizer.to_str() == vocabulary.tokenizer.to_str()
    assert made.preprocess == Preprocess(size=SIDE, trim=True)
    assert made.start is None
    assert made.old.as_json() == KNOWN
    assert made.described["init_args"]["text"]["init_args"]["vocabulary"] == len(vocabulary)
    assert {path.name for path in made.files} == {*MODEL_FILES, COMPATIBLE}
    weights = made.old.embedder.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in clip.model.state_dict().items())


def test_a_start_that_reads_and_sees_as_the_old_one_does_is_taken(root):
    shutil.copytree(root / OLD, root / "models/start")
    made = begun(root, Begin(start="models/start", compatible_with=OLD))
    assert (made.start.path, made.old.label) == ("models/start", "clip@1")


def test_a_start_that_reads_or_sees_otherwise_is_refused(root, clip):
    other = Vocabulary.train(["quite other words"], size=270, context=12)
    (root / "models/start").mkdir()
    save_trained(root / "models/start", clip.model, described_at_debug(other), other, Preprocess(size=SIDE))
    for name in (WEIGHTS, "model.json"):
        shutil.copyfile(root / OLD / name, root / "models/start" / name)
    with pytest.raises((ConfigError, DataError), match=r"tokenizer"):
        begun(root, Begin(start="models/start", compatible_with=OLD))
    shutil.copyfile(root / OLD / "tokenizer.json", root / "models/start/tokenizer.json")
    with pytest.raises(
        ConfigError, match=r"models/start has another transform than clip@1, whose index is to be searched"
    ):
        begun(root, Begin(start="models/start", compatible_with=OLD))


def test_pictures_of_another_size_are_refused_with_what_to_set(root):
    with pytest.raises(ConfigError, match=r"clip@1 was trained on pictures of 32 pixels.*shows 40.*training.pixels=32"):
        begun(root, Begin(compatible_with=OLD), pixels=40)


def test_a_file_that_is_not_what_was_laid_in_is_refused(root):
    weights = root / OLD / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(
        DataError, match=rf"{WEIGHTS} is not what was laid in.*clip@1's index.*--compatible-with clip@1"
    ):
        OldModel.read(root / OLD)


@pytest.mark.parametrize("lacks", [COMPATIBLE, WEIGHTS])
def test_a_folder_that_is_not_whole_is_refused(root, lacks):
    (root / OLD / lacks).unlink()
    with pytest.raises(DataError, match=r"holds no model that was laid in.*lay the model in again"):
        OldModel.read(root / OLD)
