"""What a run's model learnt from is told where it is there as it was, and nowhere else."""

import json
import re
import shutil
from dataclasses import replace

import pytest
import yaml

from components.contracts.errors import DataError
from components.contracts.model_files import MODEL_FILES
from components.data.manifest import read_manifest
from components.data.selection import of_split
from components.stages import recalled
from components.stages.learnt import Learnt, digest_in, laid_at
from components.training.numbers import Optimisation

REPORT = "runs/clip/pretrain/metrics.json"


@pytest.fixture
def here(own, tmp_path):
    """A copy of a workspace's record and of what was selected, which may be changed."""
    root = tmp_path / "job"
    for folder in ("data/curated/clip", "data/raw"):
        shutil.copytree(own / folder, root / folder)
    shutil.copyfile(own / "dvc.lock", root / "dvc.lock")
    for stage in ("pretrain", "finetune", "package", "evaluate"):
        (root / "runs/clip" / stage).mkdir(parents=True)
    shutil.copyfile(own / REPORT, root / REPORT)
    return root


def changed(here, stage, kind, path):
    """Have dvc.lock say that a path was another to a stage."""
    said = yaml.safe_load((here / "dvc.lock").read_text())
    (entry,) = [one for one in said["stages"][stage][kind] if one["path"] == path]
    entry["md5"] = "0" * 32 + ".dir"
    (here / "dvc.lock").write_text(yaml.safe_dump(said))


@pytest.mark.parametrize("stage", ["pretrain", "finetune", "package"])
def test_a_run_learnt_from_what_was_selected_for_training_and_from_none_that_it_was_chosen_by(here, stage):
    found = Learnt.of(here / "runs/clip" / stage)
    assert found is not None
    assert (found.selection, found.raw) == ("data/curated/clip", here / "data/raw")
    wanted = of_split(read_manifest(here / "data/curated/clip/manifest.parquet"), "train")
    pool = found.pictures()
    assert set(pool.keys) == set(wanted["key"].to_pylist())
    assert set(pool.sha256s) == set(wanted["sha256"].to_pylist()), "of their files, by which they can be known again"


def test_of_many_some_are_drawn_the_same_each_time(here, monkeypatch):
    monkeypatch.setattr(recalled, "MOST", 10)
    first, again = (Learnt.of(here / "runs/clip/finetune").pictures().keys for _ in range(2))
    assert len(first) == 10
    assert first == again


def test_where_it_is_not_there_or_not_as_it_was_nothing_is_told(here, tmp_path):
    assert Learnt.of(here / "runs/clip/evaluate") is None, "no model"
    assert Learnt.of(tmp_path / "model") is None, "no run"
    (tmp_path / "runs/other/finetune").mkdir(parents=True)
    assert Learnt.of(tmp_path / "runs/other/finetune") is None, "no workspace"
    changed(here, "finetune@clip", "outs", "runs/clip/finetune")
    assert Learnt.of(here / "runs/clip/package") is None, "a package of a model before"
    assert Learnt.of(here / "runs/clip/finetune") is not None
    changed(here, "pretrain@clip", "outs", "runs/clip/pretrain")
    assert Learnt.of(here / "runs/clip/finetune") is None, "trained since"
    assert Learnt.of(here / "runs/clip/pretrain") is not None
    changed(here, "curate@clip", "outs", "data/curated/clip")
    assert Learnt.of(here / "runs/clip/pretrain") is None, "others were selected since"
    (here / "dvc.lock").write_text("")
    assert Learnt.of(here / "runs/clip/pretrain") is None, "nobody says that they are the same"
    (here / "dvc.lock").unlink()
    assert Learnt.of(here / "runs/clip/pretrain") is None


def test_what_it_was_trained_by_is_what_dvc_lock_says_with_what_was_said_in_place_of_the_recipe(here):
    def trained_by():
        return Learnt.of(here / "runs/clip/finetune").optimisation

    of_recipe = Optimisation(optimizer="muon", lr=5.0e-3, weight_decay=0.1, warmup=0.1, betas=(0.9, 0.98))
    assert trained_by() == of_recipe
    said = yaml.safe_load((here / "dvc.lock").read_text())
    params = said["stages"]["pretrain@clip"]["params"]
    params["params.yaml"]["overrides.training"] = {"optimisation": {"lr": 0.25}}
    (here / "dvc.lock").write_text(yaml.safe_dump(said))
    assert trained_by() == replace(of_recipe, lr=0.25)
    its = params["components/recipes/clip.yaml"]["training"]["optimisation"]
    its["rates"] = {"teacher.*": 0.1}
    (here / "dvc.lock").write_text(yaml.safe_dump(said))
    assert trained_by() == replace(of_recipe, lr=0.25), "a rate of what the model has not"
    for name, value in (("nesterov", True), ("lr", "fast")):
        written = {**its, name: value}
        params["components/recipes/clip.yaml"]["training"]["optimisation"] = written
        params["params.yaml"]["overrides.training"] = None
        (here / "dvc.lock").write_text(yaml.safe_dump(said))
        assert trained_by() is None, "of a version that had other numbers"


def test_what_its_pictures_went_through_is_what_dvc_lock_says_and_nothing_where_it_does_not(here, own):
    def views():
        return Learnt.of(here / "runs/clip/finetune").views

    def told(of_recipe, instead=None):
        params["components/recipes/clip.yaml"]["training"]["views"] = of_recipe
        params["params.yaml"]["overrides.training"] = instead
        (here / "dvc.lock").write_text(yaml.safe_dump(said))
        return views()

    recipe = yaml.safe_load((own / "components/recipes/clip.yaml").read_text())["training"]["views"]
    assert views() == recipe
    assert recipe["outlined"] > 0
    said = yaml.safe_load((here / "dvc.lock").read_text())
    params = said["stages"]["pretrain@clip"]["params"]
    assert told(recipe, {"views": {"degrees": 45}}) == {**recipe, "degrees": 45}
    assert told({}) == {}, "all numbers as they are usual"
    assert told({"main": {"grey": 0.5}, "small": {"count": 2, "side": 0.5}}) == {"grey": 0.5}, (
        "what plain pictures went through"
    )
    assert told(None) is None
    del params["components/recipes/clip.yaml"]["training"]["views"]
    (here / "dvc.lock").write_text(yaml.safe_dump(said))
    assert views() == {}, "which says nothing, and so are as they are usual"
    del params["components/recipes/clip.yaml"]
    (here / "dvc.lock").write_text(yaml.safe_dump(said))
    assert views() is None


def test_of_a_model_that_began_with_another_this_is_not_all_that_it_learnt_from(here):
    said = json.loads((here / REPORT).read_text())
    (here / REPORT).write_text(json.dumps({**said, "start": {"path": "models/ViT-B-32"}}))
    assert Learnt.of(here / "runs/clip/finetune") is None
    (here / REPORT).write_text('{"start":')
    with pytest.raises(DataError, match=r"metrics\.json cannot be read: .* dvc repro -f pretrain@clip"):
        Learnt.of(here / "runs/clip/finetune")


@pytest.fixture
def laid(own, here, tmp_path):
    """What a run learnt from, laid into another workspace, and its model there."""
    model = tmp_path / "other/models/mine"
    model.mkdir(parents=True)
    for name in MODEL_FILES:
        shutil.copyfile(own / "runs/clip/finetune" / name, model / name)
    Learnt.of(here / "runs/clip/finetune").lay(laid_at(tmp_path / "other", model))
    return tmp_path / "other", model


def test_laid_in_it_is_what_it_was_by_whatever_name_the_model_goes_and_needs_no_run(here, laid):
    before = Learnt.of(here / "runs/clip/finetune")
    pool = before.pictures()
    shutil.rmtree(here)
    root, model = laid
    its = Learnt.of(model.rename(model.with_name("another")), root)
    assert (its.selection, its.optimisation, its.views) == (before.selection, before.optimisation, before.views)
    assert its.views
    laid_as = laid_at(root, model.with_name("another")) / "learnt.json"
    of_before = {name: value for name, value in json.loads(laid_as.read_text()).items() if name != "views"}
    laid_as.write_text(json.dumps(of_before))
    assert Learnt.of(model.with_name("another"), root).views is None, "of a version that did not write them down"
    laid_as.write_text(json.dumps({**of_before, "views": "strong"}))
    assert Learnt.of(model.with_name("another"), root).views is None
    again = its.pictures()
    at = {key: place for place, key in enumerate(again.keys)}
    assert sorted(pool.keys) == sorted(again.keys)
    for key, picture, captions in zip(pool.keys, pool.pictures, pool.captions, strict=True):
        assert (again.pictures[at[key]], again.captions[at[key]]) == (picture, captions)
    assert its.rows(pool.keys[:2])["key"].to_pylist() == [key for key in again.keys if key in pool.keys[:2]]
    assert Learnt.of(model.with_name("another")) is None, "of no workspace"


def test_nothing_but_what_was_learnt_from_is_laid_in(here, laid):
    root, model = laid
    laid_bytes = sum(path.stat().st_size for path in laid_at(root, model).rglob("*.tar"))
    assert laid_bytes < sum(path.stat().st_size for path in (here / "data/raw").rglob("*.tar"))
    train = of_split(read_manifest(here / "data/curated/clip/manifest.parquet"), "train")
    rows = read_manifest(laid_at(root, model) / "manifest.parquet")
    assert sorted(rows["key"].to_pylist()) == sorted(train["key"].to_pylist())


def test_what_was_laid_in_is_known_by_all_of_its_files_and_what_cannot_be_read_is_told(laid):
    root, model = laid
    folder = laid_at(root, model)
    digest = digest_in(folder)
    assert re.fullmatch("sha256:[0-9a-f]{12}", digest), "no number to YAML, whatever its digits"
    assert digest_in(folder) == digest
    (shard,) = folder.rglob("*.tar")
    shard.write_bytes(shard.read_bytes() + b"\0")
    assert digest_in(folder) != digest
    (folder / "learnt.json").write_text('{"selection": "data/curated/clip"}')
    with pytest.raises(DataError, match=r"learnt\.json cannot be read \(KeyError.*Delete .*learnt from no more"):
        Learnt.of(model, root)
    (model / "tokenizer.json").unlink()
    assert laid_at(root, model) is None, "the folder of no whole model"
