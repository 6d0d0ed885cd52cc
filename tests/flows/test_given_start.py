"""Every kind of model that `--from` names: what it is found to be, and what is laid into a workspace of it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from components.contracts.errors import ConfigError
from components.contracts.model_files import MODEL_FILES, TRANSFORMS, WEIGHTS, model_digest
from components.contracts.progress import silent
from components.contracts.sealed import digest_of, sha256_of
from components.data.manifest import read_manifest
from components.data.transforms.preprocess import Preprocess
from components.recipes.given_model import read_given
from components.recipes.trained import load_trained, save_trained
from components.registry.store import open_store
from components.registry.versions import register
from components.stages.learnt import digest_in, laid_at
from flows.adapt import Asked
from flows.adapt_general import Beside
from flows.given_start import given_start, laid_in, start_in
from flows.start_learnt import race_with, sentence_of
from tests.empty_store import lay_empty_store
from tests.flows.test_export import open_clips
from tests.squares import described_at_debug

REPOSITORY = Path(__file__).parents[2]
GOLDEN = REPOSITORY / "tests/golden/transformers/clip_gelu"
TEXTS = ["a red square", "circle"]


@pytest.fixture
def root(tmp_path):
    """Where a workspace's models are laid in."""
    (tmp_path / "job").mkdir()
    (tmp_path / "job/dvc.yaml").write_text("stages: {}\n")
    return tmp_path / "job"


def same_answers(folder, theirs):
    """Whether a folder of ours answers as what was given."""
    ours, given = load_trained(folder), read_given(theirs).encoder
    np.testing.assert_allclose(ours.texts(TEXTS), given.texts(TEXTS), atol=1e-6)
    return True


def test_folders_of_transformers_and_of_open_clip_become_ours(root, tmp_path):
    shutil.copytree(GOLDEN, tmp_path / "hf")
    open_clips("ViT", tmp_path / "openclip")
    for name in ("hf", "openclip"):
        place = laid_in(*given_start(name, tmp_path, root=root), root)
        assert place.startswith(f"models/{name}-")
        assert sorted(path.name for path in (root / place).iterdir()) == sorted(MODEL_FILES)
        assert same_answers(root / place, tmp_path / name)
        assert given_start(name, tmp_path) == (tmp_path / name, name), "outside of a workspace it is read where it lies"


def test_a_file_is_read_with_what_lies_beside_it_and_called_after_its_folder(root, tmp_path):
    shutil.copytree(GOLDEN, tmp_path / "hf")
    place = laid_in(*given_start("hf/model.safetensors", tmp_path, root=root), root)
    assert place == laid_in(*given_start("hf", tmp_path, root=root), root)
    assert given_start("hf/model.safetensors", tmp_path) == (tmp_path / "hf/model.safetensors", "hf")


def test_what_lies_beside_the_weights_is_a_start_of_its_own_once_it_is_corrected(root, tmp_path):
    shutil.copytree(GOLDEN, tmp_path / "hf")
    shown = tmp_path / "hf/preprocessor_config.json"
    said = json.loads(shown.read_text()) if shown.exists() else {}
    shown.write_text(json.dumps({**said, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.5, 0.5]}))
    wrong = laid_in(*given_start("hf", tmp_path, root=root), root)
    shown.write_text(json.dumps({**said, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.5, 0.5, 0.5]}))
    right = laid_in(*given_start("hf", tmp_path, root=root), root)
    assert wrong != right
    assert model_digest(root / wrong) != model_digest(root / right)
    assert start_in("hf", root, tmp_path) == (right, True)


def test_a_copy_that_is_called_after_its_weights_is_the_start_while_all_of_it_is_the_same(
    root, tmp_path, clip, vocabulary
):
    (tmp_path / "ours").mkdir()
    save_trained(tmp_path / "ours", clip.model, described_at_debug(vocabulary), vocabulary, Preprocess(size=32))
    called = f"models/ours-{sha256_of(tmp_path / 'ours' / WEIGHTS)[:8]}"
    shutil.copytree(tmp_path / "ours", root / called)
    assert laid_in(*given_start("ours", tmp_path, root=root), root) == called, "as params.yaml of before names it"
    (tmp_path / "ours" / TRANSFORMS).write_text(Preprocess(size=32, trim=True).to_json())
    place = laid_in(*given_start("ours", tmp_path, root=root), root)
    assert place == f"models/ours-{model_digest(tmp_path / 'ours')[:8]}"
    assert start_in(called, root, root) == (called, False), "and what names it has it still"


def test_what_a_recipe_begins_from_is_laid_in_where_it_is_not_ours_or_lies_elsewhere(root, tmp_path, clip, vocabulary):
    shutil.copytree(GOLDEN, tmp_path / "hf")
    place, brings = start_in("hf", root, tmp_path)
    assert (place, brings) == (laid_in(*given_start("hf", tmp_path, root=root), root), True), (
        "its architecture is no recipe's"
    )
    shutil.copytree(GOLDEN, root / "models/theirs")
    assert start_in("models/theirs", root, root) == (
        laid_in(*given_start("models/theirs", root, root=root), root),
        True,
    )
    (tmp_path / "ours").mkdir()
    save_trained(tmp_path / "ours", clip.model, described_at_debug(vocabulary), vocabulary, Preprocess(size=32))
    place, brings = start_in("ours", root, tmp_path)
    assert place.startswith("models/ours-")
    assert not brings
    for stays in (place, "runs/clip/finetune", "models/nothing"):
        assert start_in(stays, root, root) == (stays, False)
    with pytest.raises(ConfigError):
        start_in("clip@3", root, root)  # a version of a registry, which this workspace has not


def test_what_adapting_to_a_folder_left_is_a_start(root, tmp_path, clip, vocabulary):
    (tmp_path / "out/model").mkdir(parents=True)
    (tmp_path / "out/adapted.json").write_text("{}")
    save_trained(tmp_path / "out/model", clip.model, described_at_debug(vocabulary), vocabulary, Preprocess(size=32))
    assert given_start("out", tmp_path) == (tmp_path / "out/model", "out")
    assert laid_in(*given_start("out", tmp_path, root=root), root).startswith("models/out-")


def test_a_version_is_taken_from_the_registry_of_the_workspace_around(root, tmp_path, clip, vocabulary):
    package = root / "runs/clip/package"
    package.mkdir(parents=True)
    (root / "runs/clip/evaluate").mkdir()
    (root / "runs/clip/evaluate/metrics.json").write_text("{}")
    save_trained(package, clip.model, described_at_debug(vocabulary), vocabulary, Preprocess(size=32))
    files = {name: sha256_of(package / name) for name in MODEL_FILES}
    about = {"recipe": "clip", "scale": "debug", "seed": 0, "data_digest": "d" * 64, "lock": {}}
    (package / "manifest.json").write_text(json.dumps({**about, "files": files, "digest": digest_of(files)}))
    lay_empty_store(root)
    version = register(package, root, open_store(root))
    (package / WEIGHTS).unlink()  # a run has made another since, and the registry has this one
    place = laid_in(*given_start(version.label, tmp_path, root=root), root)
    assert place == f"models/clip-1-{digest_of(files)[:8]}"
    folder, name = given_start(version.label, root)
    assert (sha256_of(folder / WEIGHTS), name) == (files[WEIGHTS], "clip-1")
    with pytest.raises(ConfigError, match=r"has a dvc\.yaml"):
        given_start("clip@1", tmp_path)


@pytest.mark.timeout(300)
def test_micro_clip_is_trained_and_taken_and_what_it_learnt_from_is_laid_in(root, tmp_path):
    """The real code, told to draw few scenes and to take two steps."""
    shutil.copytree(REPOSITORY / "components", root / "components", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, root)
    small = root / "components/recipes/micro_clip.py"
    said = small.read_text()
    for usual, few in (
        ("scenes: int = 4_000", "scenes: int = 240"),
        ("batch: int = 128", "batch: int = 16"),
        ("steps: int = 320", "steps: int = 2"),
    ):
        assert usual in said
        said = said.replace(usual, few)
    small.write_text(said)
    folder, name = given_start("micro_clip", root)
    assert (folder.parent, name) == (root / ".diptych/starts", "micro_clip")
    assert (
        laid_in(*given_start("micro_clip", tmp_path, root=root), root)
        == f"models/micro_clip-{model_digest(folder)[:8]}"
    )
    race = race_with({}, folder, root, root)
    laid = laid_at(root, folder)
    assert laid is not None
    assert (race["recalled"], race["replay"]) == ({"name": "start", "digest": digest_in(laid)}, "auto")
    assert race["as_trained"]["optimizer"] == "muon"
    assert "what micro_clip" in sentence_of(folder, root)
    beside = Beside.of(Asked(data="mine", start=folder), tmp_path, tmp_path, silent)
    assert (beside.named, beside.ways, beside.unasked) == ("micro_clip", ("continued",), True)
    assert beside.pool is not None
    assert sorted(beside.pool.keys) == sorted(read_manifest(laid / "manifest.parquet")["key"].to_pylist())
    (other := tmp_path / "other/.diptych").mkdir(parents=True)
    assert race_with({}, folder, other.parent, other.parent).keys() == {"as_trained"}, "no picture of another workspace"
    with pytest.raises(ConfigError, match=r"has a dvc\.yaml"):
        given_start("micro_clip", tmp_path)
