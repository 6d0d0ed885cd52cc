"""What a run's model learnt from is told where it is there as it was, and nowhere else."""

import shutil

import pytest
import yaml

from components.data.manifest import read_manifest
from components.data.selection import of_split
from components.stages import recalled
from components.stages.learnt import Learnt


@pytest.fixture
def here(own, tmp_path):
    """A copy of a workspace's record and of what was selected, which may be changed."""
    root = tmp_path / "job"
    for folder in ("data/curated/clip", "data/raw"):
        shutil.copytree(own / folder, root / folder)
    shutil.copyfile(own / "dvc.lock", root / "dvc.lock")
    for stage in ("pretrain", "finetune", "package", "evaluate"):
        (root / "runs/clip" / stage).mkdir(parents=True)
    return root


@pytest.mark.parametrize("stage", ["pretrain", "finetune", "package"])
def test_a_run_learnt_from_what_was_selected_for_training_and_from_none_that_it_was_chosen_by(here, stage):
    found = Learnt.of(here / "runs/clip" / stage)
    assert found is not None
    assert (found.root, found.recipe) == (here, "clip")
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
    said = yaml.safe_load((here / "dvc.lock").read_text())
    (out,) = said["stages"]["curate@clip"]["outs"]
    out["md5"] = "0" * 32 + ".dir"
    (here / "dvc.lock").write_text(yaml.safe_dump(said))
    assert Learnt.of(here / "runs/clip/finetune") is None, "others were selected since"
    (here / "dvc.lock").unlink()
    assert Learnt.of(here / "runs/clip/finetune") is None, "nobody says that they are the same"
