"""A model that is handed over is known by all that makes it, and not by its weights alone."""

import json
import shutil
from pathlib import Path

import pytest

from components.contracts.model_files import TRANSFORMS
from components.data.transforms.preprocess import Preprocess
from components.recipes.given_model import read_given
from components.recipes.trained import save_trained
from tests.squares import described_at_debug

GOLDEN = Path(__file__).parents[2] / "golden/transformers/clip_gelu"


@pytest.fixture
def ours(tmp_path, clip, vocabulary):
    (tmp_path / "ours").mkdir()
    save_trained(tmp_path / "ours", clip.model, described_at_debug(vocabulary), vocabulary, Preprocess(size=32))
    return tmp_path / "ours"


def test_the_same_weights_with_another_transform_or_tokenizer_are_another_model(ours, tmp_path):
    before = read_given(ours)
    assert read_given(ours).digest == before.digest
    copied = Path(shutil.copytree(ours, tmp_path / "copied"))
    assert read_given(copied).digest == before.digest, "wherever it lies"
    (copied / TRANSFORMS).write_text(Preprocess(size=32, squeeze=True).to_json())
    squeezed = read_given(copied)
    assert (squeezed.sha256, squeezed.digest == before.digest) == (before.sha256, False)
    words = json.loads((ours / "tokenizer.json").read_text())
    words["normalizer"] = None  # which lowered its texts
    (ours / "tokenizer.json").write_text(json.dumps(words))
    cased = read_given(ours)
    assert (cased.sha256, cased.digest == before.digest) == (before.sha256, False)


def test_of_theirs_the_config_and_every_weight_count(tmp_path):
    theirs = Path(shutil.copytree(GOLDEN, tmp_path / "theirs"))
    before = read_given(theirs)
    said = json.loads((theirs / "config.json").read_text())
    said["text_config"]["layer_norm_eps"] = 1e-3
    (theirs / "config.json").write_text(json.dumps(said))
    other = read_given(theirs)
    assert (other.sha256, other.digest == before.digest) == (before.sha256, False)
    digest = before.digest
    before.encoder.model.logit_scale.log_scale.data += 0.5
    assert before.digest != digest, "as it is now"
