"""What a run's model learnt from is told where it is there as it was, and nowhere else."""

import json
import shutil
from dataclasses import replace

import pytest
import yaml

from components.contracts.errors import DataError
from components.data.manifest import read_manifest
from components.data.selection import of_split
from components.stages import recalled
from components.stages.learnt import LEARNT, Learnt, digest_in
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


def test_of_a_model_that_began_with_another_this_is_not_all_that_it_learnt_from(here):
    said = json.loads((here / REPORT).read_text())
    (here / REPORT).write_text(json.dumps({**said, "start": {"path": "models/ViT-B-32"}}))
    assert Learnt.of(here / "runs/clip/finetune") is None
    (here / REPORT).write_text('{"start":')
    with pytest.raises(DataError, match=r"metrics\.json cannot be read: .* dvc repro -f pretrain@clip"):
        Learnt.of(here / "runs/clip/finetune")


def test_laid_in_beside_a_model_it_is_what_it_was_and_needs_no_workspace(here, tmp_path):
    before = Learnt.of(here / "runs/clip/finetune")
    model = tmp_path / "models/clip-1"
    before.lay(model / LEARNT)
    shutil.rmtree(here)
    its, pool = Learnt.of(model), Learnt.of(model).pictures()
    assert (its.selection, its.optimisation, its.origin) == (before.selection, before.optimisation, before.origin)
    assert its.origin["lock"]["curate@clip"]["data/curated/clip"].endswith(".dir"), "by which lineage finds them"
    assert its.count == len(pool) == sum(its.licences(pool.keys).values())
    assert sum(its.licences(pool.keys[:2]).values()) == 2


@pytest.fixture
def laid(here, tmp_path):
    """What a run learnt from, laid in beside a model."""
    Learnt.of(here / "runs/clip/finetune").lay(tmp_path / "models/clip-1" / LEARNT)
    return tmp_path / "models/clip-1" / LEARNT


def test_only_what_was_learnt_from_is_laid_in_byte_for_byte(here, laid):
    pool, again = Learnt.of(here / "runs/clip/finetune").pictures(), Learnt.of(laid.parent).pictures()
    at = {key: place for place, key in enumerate(again.keys)}
    assert sorted(pool.keys) == sorted(again.keys)
    for key, picture, captions in zip(pool.keys, pool.pictures, pool.captions, strict=True):
        assert (again.pictures[at[key]], again.captions[at[key]]) == (picture, captions)
    bytes_there = sum(path.stat().st_size for path in laid.rglob("*.tar"))
    assert bytes_there < sum(path.stat().st_size for path in (here / "data/raw").rglob("*.tar"))


def test_what_was_laid_in_is_known_by_all_of_its_files_and_what_cannot_be_read_is_told(laid):
    digest = digest_in(laid)
    assert (len(digest), digest_in(laid)) == (12, digest)
    (shard,) = laid.rglob("*.tar")
    shard.write_bytes(shard.read_bytes() + b"\0")
    assert digest_in(laid) != digest
    (laid / "learnt.json").write_text('{"selection": "data/curated/clip"}')
    with pytest.raises(DataError, match=r"learnt\.json cannot be read \(KeyError.*and adapt again"):
        Learnt.of(laid.parent)
