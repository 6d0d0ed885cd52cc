"""`diptych adapt` in a workspace from its own run: what that learnt from is laid in before other pictures take its place, is learnt from again, and is known to lineage."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import yaml

from components.data.manifest import read_manifest
from components.data.selection import of_split
from components.stages.learnt import LEARNT, Learnt, digest_in
from components.stages.unasked import OF_CAPTIONS
from flows.adapt_here import Here, choices_of
from flows.choices import choose
from flows.start_learnt import forget, lines_of, race_with, sentence_of
from tests.own_pictures import paint, write_table
from tests.workspace import dvc

pytestmark = pytest.mark.timeout(900)
RUN = "runs/clip/finetune"


@pytest.fixture(scope="module")
def root(own, tmp_path_factory) -> Path:
    """A copy of a workspace where clip was trained."""
    copied = tmp_path_factory.mktemp("learnt") / "own"
    return Path(shutil.copytree(own.parent, copied, symlinks=True)) / own.name


@pytest.fixture
def laid(root, tmp_path) -> Path:
    """The folder of a model that was laid in, beside which nothing lies."""
    (tmp_path / "models/clip-1").mkdir(parents=True)
    (tmp_path / ".diptych").mkdir()
    return tmp_path / "models/clip-1"


def test_what_a_run_learnt_from_is_laid_in_once_and_asked_for_by_its_digest(root, laid):
    race = race_with({"budget_s": 9.0}, root / RUN, laid)
    assert race == {"recalled": {"name": "start", "digest": digest_in(laid / LEARNT)}, "replay": "auto"}
    train = of_split(read_manifest(root / "data/curated/clip/manifest.parquet"), "train")
    assert sorted(Learnt.of(laid).pictures().keys) == sorted(train["key"].to_pylist())
    assert sentence_of(laid).startswith(
        f"{len(train)} pictures of data/curated/clip, of which clip-1 learnt, lie in models/clip-1/learnt"
    )
    elsewhere = root.parent / "nothing"  # what was named has gone, and other pictures are in data/raw
    assert race_with({}, elsewhere, laid) == race


@pytest.mark.parametrize(
    "race", [{"replay": 0.5}, {"recall": 1.0}, {"ways": ["continued"]}, {"replay": 0.25, "ways": ["lora"]}]
)
def test_who_says_what_becomes_of_general_pictures_gets_those_and_no_more(root, laid, race):
    assert race_with(race, root / RUN, laid) == {"recalled": {"name": "start", "digest": digest_in(laid / LEARNT)}}


@pytest.mark.parametrize("race", [{"replay": 0.0}, {"ways": ["lora"]}, {"replay": 0.5, "recalled": {"name": "scenes"}}])
def test_who_asks_for_none_or_for_others_gets_none(root, laid, race):
    assert race_with(race, root / RUN, laid) == {}
    assert not (laid / LEARNT).exists()


def test_of_a_model_of_others_nothing_is_known_and_of_a_run_whose_record_is_broken_that_is_told(
    root, laid, tmp_path, capsys
):
    assert race_with({}, tmp_path / "theirs.safetensors", laid) == {}
    assert capsys.readouterr().err == ""
    job = tmp_path / "job"
    for folder in ("data/curated/clip", "runs/clip/pretrain", RUN):
        shutil.copytree(root / folder, job / folder)
    shutil.copyfile(root / "dvc.lock", job / "dvc.lock")  # and no pictures
    assert race_with({}, job / RUN, laid) == {}
    assert "learnt from is not all there any more, so it is not learnt from again" in capsys.readouterr().err
    assert not (laid / LEARNT).exists(), "nothing half done"


def test_only_a_picture_that_is_there_takes_it_away(root, laid):
    race_with({}, root / RUN, laid)
    rows = read_manifest(root / "data/raw/manifest.parquet")
    its = Learnt.of(laid).pictures()
    known = pa.array([*its.sha256s], pa.string())
    for others in (rows.slice(0, 0), rows.filter(pc.invert(pc.is_in(rows["sha256"], value_set=known)))):
        assert forget(laid.parents[1], others) == []
        assert (laid / LEARNT).is_dir()
    assert forget(laid.parents[1], rows) == ["models/clip-1/learnt"]
    assert not (laid / LEARNT).exists()


def test_a_race_learns_from_it_again_and_package_licences_and_lineage_have_it(root, tmp_path):
    root = Path(shutil.copytree(root, tmp_path / root.name, symlinks=True))
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["overrides"]["finetuning"] = {}  # of clip, which is locked there
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    learnt = of_split(read_manifest(root / "data/curated/clip/manifest.parquet"), "train")
    licence = read_manifest(root / "data/raw/manifest.parquet")["licence"].to_pylist()[0]
    said = {name: text for name, text in sorted(paint(tmp_path / "mine", 60).items())}
    write_table(tmp_path / "mine/captions.csv", said)
    race = {"budget_s": 20.0, "batch": 12, "most_steps": 20, "ask": "captions"}
    choices = choices_of(Here(data="mine", start=str(root / RUN), race=race), root, tmp_path)
    choose(root, choices, tmp_path)
    kept = yaml.safe_load((root / "params.yaml").read_text())
    assert kept["recipes"]["adapted"]["race"]["replay"] == "auto"
    kept["recipes"] = {"adapted": kept["recipes"]["adapted"]}
    (root / "params.yaml").write_text(yaml.safe_dump(kept, sort_keys=False))
    ran = dvc(root, "repro")
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    run = root / "runs/adapted"
    raced = json.loads((run / "finetune/adapted.json").read_text())
    assert {heat["name"] for heat in raced["heats"]} == {"continued"}
    assert (raced["recalled"]["data"], raced["recalled"]["replay"]) == ("data/curated/clip", OF_CAPTIONS[0])
    assert raced["batch"] == 12, "that was said"
    trained_by = yaml.safe_load((root / "components/recipes/clip.yaml").read_text())["training"]["optimisation"]
    assert trained_by.items() <= raced["optimisation"].items(), "with which training goes on"
    count = raced["recalled"]["pictures"]
    assert 0 < count <= len(learnt)
    own = of_split(read_manifest(root / "data/curated/adapted/manifest.parquet"), "train")
    assert json.loads((run / "evaluate/licences.json").read_text()) == {licence: len(own) + count}
    manifest = json.loads((run / "package/manifest.json").read_text())
    assert manifest["replayed"] == raced["recalled"]["origin"] == Learnt.of(root / choices.start).origin
    laid = root / choices.start / LEARNT
    (sentence,) = lines_of(forget(root, learnt.slice(0, 1)))
    assert sentence.startswith(f"{choices.start}/learnt had some of them and is gone")
    assert not laid.exists()
    ran = dvc(root, "repro", "--force", "--single-item", "finetune@adapted")
    assert ran.returncode
    assert "learnt from is not in" in ran.stdout + ran.stderr
    assert "--replay 0" in ran.stdout + ran.stderr
