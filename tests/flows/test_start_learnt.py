"""`diptych adapt` in a workspace from its own run: what that learnt from is laid in before other pictures take its place, is learnt from again, and is known to all who ask."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from copy import deepcopy
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import yaml

from components.contracts.errors import ConfigError, DataError
from components.contracts.model_files import MODEL_FILES, model_digest
from components.data.manifest import read_manifest, write_manifest
from components.data.selection import of_split
from components.recipes.section import build
from components.stages.evaluate import again_of
from components.stages.learnt import Learnt, digest_in, laid_at
from components.stages.replayed import replayed_of
from components.stages.unasked import OF_CAPTIONS
from components.training.numbers import Optimisation
from flows.adapt_here import Here, check_recalled, choices_of
from flows.choices import choose
from flows.lineage.known import versions
from flows.lineage.takedown import said_of, take_down
from flows.start_learnt import forget, holding, race_with, sentence_of
from tests.flows.registered import version
from tests.own_pictures import paint, write_table
from tests.workspace import dvc

pytestmark = pytest.mark.timeout(900)
RUN = "runs/clip/finetune"


@pytest.fixture(scope="module")
def run(own) -> Path:
    """The model of a workspace in which clip was trained."""
    return own / RUN


@pytest.fixture
def root(own, tmp_path) -> Path:
    """A workspace with the record of that run alone, and its pictures, into which something may be laid."""
    root = tmp_path / "job"
    for folder in ("data/curated/clip", "data/raw", "runs/clip/pretrain", RUN):
        shutil.copytree(own / folder, root / folder)
    for name in ("dvc.lock", "dvc.yaml"):
        shutil.copyfile(own / name, root / name)
    (root / ".diptych").mkdir()
    return root


def race_in(root: Path, **race) -> dict:
    return race_with(race, root / RUN, root, root)


def laid(root: Path) -> Path:
    place = laid_at(root, root / RUN)
    assert place is not None
    return place


def test_what_a_run_learnt_from_is_laid_in_once_and_asked_for_by_its_digest(root, tmp_path):
    race = race_in(root, budget_s=9.0)
    assert {name: race[name] for name in ("recalled", "replay")} == {
        "recalled": {"name": "start", "digest": digest_in(laid(root))}, "replay": "auto",
    }  # fmt: skip
    assert build(race["as_trained"], Optimisation) == Learnt.of(root / RUN).optimisation
    assert race["as_trained"]["optimizer"] == "muon"
    assert "eps" not in race["as_trained"], "what is usual is not said"
    train = of_split(read_manifest(root / "data/curated/clip/manifest.parquet"), "train")
    assert sorted(read_manifest(laid(root) / "manifest.parquet")["key"].to_pylist()) == sorted(train["key"].to_pylist())
    assert f"of data/curated/clip, lies in data/learnt/{laid(root).name}, and is learnt from again" in sentence_of(
        root / RUN, root
    )
    code = (
        "import sys; from pathlib import Path; from components.stages.learnt import Learnt; "
        f"views = Learnt.of(Path({str(root / RUN)!r})).views; sys.exit(0 if views and 'torch' not in sys.modules else 1)"
    )
    asked = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    assert asked.returncode == 0, "without torch, which the flow around it would hold"
    model = Path(shutil.copytree(root / RUN, tmp_path / "elsewhere"))  # the same model, by another name
    for folder in ("data/raw", "runs"):  # other pictures took their place
        shutil.rmtree(root / folder)
    assert race_with({"budget_s": 9.0}, model, root, root) == race


@pytest.mark.parametrize("race", [{"replay": 0.5}, {"recall": 1.0}, {"replay": 0.25, "ways": ["lora"]}])
def test_who_says_what_becomes_of_general_pictures_gets_those_of_the_start(root, race):
    found = race_in(root, **race)
    assert found["recalled"] == {"name": "start", "digest": digest_in(laid(root))}
    assert "replay" not in found, "which was said"
    assert ("as_trained" in found) == ("replay" in race)


@pytest.mark.parametrize("race", [{"ways": ["continued"]}, {"replay": 0.5, "recalled": {"name": "scenes"}}])
def test_training_goes_on_as_it_was_trained_where_other_pictures_are_named_or_none(root, race):
    assert race_in(root, **race).keys() == {"as_trained"}
    assert not laid(root).exists()


@pytest.mark.parametrize("race", [{"replay": 0.0}, {"ways": ["lora"]}])
def test_who_asks_for_none_gets_none(root, race):
    assert race_in(root, **race) == {}
    assert not laid(root).exists()


def test_of_a_model_of_others_nothing_is_known_and_of_pictures_that_are_gone_that_is_told(root, tmp_path, capsys):
    assert race_with({}, tmp_path / "theirs.safetensors", root, root) == {}
    assert capsys.readouterr().err == ""
    shutil.rmtree(root / "data/raw")
    assert race_in(root).keys() == {"as_trained"}, "which dvc.lock still says"
    assert "learnt from is not all there any more, so it is not learnt from again" in capsys.readouterr().err
    assert not laid(root).exists(), "nothing half done"


def test_of_a_run_of_another_workspace_no_picture_comes_in_beside_what_may(root, run):
    assert race_with({}, run, root, root).keys() == {"as_trained"}
    assert not laid(root).exists()


def test_what_is_adapted_to_may_be_what_is_drawn_where_the_start_learnt_from_something_else(tmp_path):
    with pytest.raises(ConfigError, match="general pictures would be of scenes"):
        check_recalled({"replay": 0.5}, "scenes", tmp_path)
    check_recalled({"replay": 0.5, "recalled": {"name": "start", "digest": "sha256:0"}}, "scenes", tmp_path)


def test_only_a_picture_that_is_there_is_held_and_what_cannot_be_read_is_told_before_anything_is_done(root):
    race_in(root)
    rows, name = read_manifest(root / "data/raw/manifest.parquet"), f"data/learnt/{laid(root).name}"
    its = read_manifest(laid(root) / "manifest.parquet")
    known = pc.is_in(rows["sha256"], value_set=its["sha256"].combine_chunks())
    for others in (rows.slice(0, 0), rows.filter(pc.invert(known))):
        assert holding(root, others) == {}
    assert holding(root, rows) == {name: len(its)}
    (laid(root) / "manifest.parquet").write_text("no parquet")
    with pytest.raises(DataError, match=f"{name}/manifest.parquet cannot be read, .* nothing was done. Delete {name}"):
        holding(root, rows.slice(0, 1))


def test_what_is_forgotten_is_gone_and_the_race_that_was_to_learn_from_it_is_another(root):
    race, name = race_in(root), f"data/learnt/{laid(root).name}"
    shutil.copytree(root / RUN, root / "models/clip-1")
    shutil.copytree(root / "runs/clip/pretrain", root / "models/other")
    begin = {
        "adapted": {"start": "models/clip-1", "race": race},
        "also": {"start": "models/other", "race": deepcopy(race)},
        "clip": None,
    }
    said = yaml.safe_dump({"recipes": begin}) + "seed: 3  # mine\n"
    (root / "params.yaml").write_text(said)
    forget(root, [])
    assert (root / "params.yaml").read_text() == said
    for _ in range(2):  # the second as after a kill
        forget(root, [name])
        assert not laid(root).exists()
        recipes = yaml.safe_load((root / "params.yaml").read_text())["recipes"]
        assert recipes["adapted"]["race"] == {**race, "recalled": {"name": "start", "digest": "taken down"}}
        assert recipes["also"]["race"] == race, "of another model"
        assert "# mine" in (root / "params.yaml").read_text()


def test_a_picture_that_lies_nowhere_else_can_be_taken_down_and_what_began_as_its_model_is_marked(root, monkeypatch):
    for variable in ("MLFLOW_TRACKING_URI", "PREFECT_API_URL"):
        monkeypatch.delenv(variable, raising=False)
    race = race_in(root)
    (key, *_) = read_manifest(laid(root) / "manifest.parquet")["key"].to_pylist()
    rows = read_manifest(root / "data/raw/manifest.parquet")
    write_manifest(rows.filter(pc.not_equal(rows["key"], key)), root / "data/raw/manifest.parquet")
    shutil.copytree(root / RUN, root / "models/clip-1")
    (root / "params.yaml").write_text(json.dumps({"recipes": {"adapted": {"start": "models/clip-1", "race": race}}}))
    (root / "data/takedown.txt").write_text("")
    start = {"path": "models/clip-1", "digest": model_digest(root / RUN)}
    about = {"lock": {}, "models": {"pretrain": start["digest"], "finetune": "9" * 64}}
    version(
        root, "none of it learnt again", name="adapted", start=start, **about
    )  # as where captions are of another language
    version(root, "begun from that", name="later", start={"path": "runs/adapted/finetune", "digest": "9" * 64}, lock={})
    version(root, "another", name="other", start={"path": "models/theirs", "digest": "7" * 64}, lock={})
    done = take_down(root, [key], "its owner asked", opens=False)
    name = f"data/learnt/{laid(root).name}"
    assert (done.learnt, done.listed) == ([name], 2), "by file and by pixels"
    assert not laid(root).exists()
    assert {one["version"]: one["how"] for one in done.versions} == {
        "adapted@1": {"its start trained on": 1}, "later@1": {"its start trained on": 1},
    }  # fmt: skip
    assert {its.label: bool(its.tags.get("diptych.takedown")) for its in versions(root)} == {
        "adapted@1": True, "later@1": True, "other@1": False,
    }  # fmt: skip
    (sentence,) = done.copies
    assert sentence.startswith(
        "adapted begins from models/clip-1, a model that learned from them: train that one without them"
    )
    assert done.runs == []
    assert f"{name} had some of them and is gone: what that model learnt from is learnt from no more" in said_of(done)
    race = yaml.safe_load((root / "params.yaml").read_text())["recipes"]["adapted"]["race"]
    assert race["recalled"]["digest"] == "taken down", "so that DVC runs the race again, which says why it cannot"


@pytest.fixture(scope="module")
def adapted(own, tmp_path_factory) -> Path:
    """A copy of the workspace in which its run was adapted to other pictures."""
    above = tmp_path_factory.mktemp("learnt")
    root = Path(shutil.copytree(own.parent, above / "own", symlinks=True)) / own.name
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["overrides"]["finetuning"] = {}  # of clip, which is locked there
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    said = paint(above / "mine", 110, side=44)
    for name, of in paint(
        above / "known", 10
    ).items():  # which the start was trained on, or chosen by, or was tested on
        shutil.copyfile(above / "known" / name, above / f"mine/known-{name}")
        said[f"known-{name}"] = of
    write_table(above / "mine/captions.csv", said)
    race = {"budget_s": 60.0, "batch": 24, "ask": "captions", "most_lost": 1.0}
    choose(root, choices_of(Here(data="mine", start=str(root / RUN), race=race), root, above), above)
    kept = yaml.safe_load((root / "params.yaml").read_text())
    kept["recipes"] = {"adapted": kept["recipes"]["adapted"]}
    (root / "params.yaml").write_text(yaml.safe_dump(kept, sort_keys=False))
    ran = dvc(root, "repro")
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    return root


def of_run(root: Path, name: str) -> dict:
    return json.loads((root / "runs/adapted" / name).read_text())


def test_a_race_learns_from_it_again_as_it_was_trained(adapted, own):
    race = yaml.safe_load((adapted / "params.yaml").read_text())["recipes"]["adapted"]["race"]
    raced = of_run(adapted, "finetune/adapted.json")
    assert race["replay"] == "auto"
    assert {heat["name"] for heat in raced["heats"]} == {"continued"}
    assert (raced["recalled"]["data"], raced["recalled"]["replay"]) == ("data/curated/clip", OF_CAPTIONS[0])
    assert raced["recalled"]["views"] == Learnt.of(own / "runs/clip/finetune").views
    assert raced["batch"] == 24, "that was said"
    assert race["as_trained"].items() <= raced["optimisation"].items(), "with which training goes on"
    learnt = of_split(read_manifest(own / "data/curated/clip/manifest.parquet"), "train")
    rows = replayed_of(adapted / "runs/adapted/finetune")
    assert raced["alpha"] > 0, raced["trade"]
    assert len(rows) == raced["recalled"]["pictures"] > 0
    assert set(rows["key"].to_pylist()) < set(learnt["key"].to_pylist())
    came_in = set(read_manifest(adapted / "data/raw/manifest.parquet")["pixel_sha256"].to_pylist())
    assert came_in & set(learnt["pixel_sha256"].to_pylist())
    assert not came_in & set(rows["pixel_sha256"].to_pylist()), "none of one's own, least of all one that is tested on"


def test_licences_leakage_and_the_package_have_what_was_learnt_from_again(adapted):
    rows = replayed_of(adapted / "runs/adapted/finetune")
    own = of_split(read_manifest(adapted / "data/curated/adapted/manifest.parquet"), "train")
    assert of_run(adapted, "evaluate/licences.json") == Counter(
        [*own["licence"].to_pylist(), *rows["licence"].to_pylist()]
    )
    manifest = of_run(adapted, "package/manifest.json")
    assert manifest["replayed"] == len(rows)
    assert again_of(adapted / "runs/adapted/package") == again_of(adapted / "runs/adapted/finetune"), (
        "for who measures it again"
    )
    assert (
        f"learnt from again: {len(rows)} pictures of its start"
        in (adapted / "runs/adapted/package/report.html").read_text()
    )
    assert manifest["lock"]["finetune@adapted"]["runs/adapted/finetune"].endswith(".dir"), (
        "by which lineage finds the rows"
    )
    assert of_run(adapted, "evaluate/metrics.json")["leakage.pair"]["value"] == 0


def test_a_picture_of_pair_that_was_learnt_from_again_is_told(adapted, tmp_path):
    root = Path(shutil.copytree(adapted, tmp_path / adapted.name, symlinks=True))
    pair = read_manifest(root / "data/evaluation/pair/manifest.parquet")
    path = root / "runs/adapted/finetune/replayed.parquet"
    rows = read_manifest(path)
    path.unlink()
    write_manifest(pa.concat_tables([rows, pair.slice(0, 1)]), path)
    ran = dvc(root, "repro", "--single-item", "evaluate@adapted")
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    assert of_run(root, "evaluate/metrics.json")["leakage.pair"]["value"] == pytest.approx(1 / len(pair))


def test_what_is_gone_or_another_is_refused_with_what_to_do(adapted, tmp_path):
    root = Path(shutil.copytree(adapted, tmp_path / adapted.name, symlinks=True))
    (place,) = (root / "data/learnt").iterdir()
    (shard,) = place.rglob("*.tar")
    whole = shard.read_bytes()
    assert (root / "params.yaml").read_text().count("sha256:") == 1
    for change, says in (
        (lambda: shard.write_bytes(whole + b"\0"), "somebody changed it"),
        (lambda: shutil.rmtree(place), "any more, where the race was to take it from"),
    ):
        change()
        ran = dvc(root, "repro", "--force", "--single-item", "finetune@adapted")
        assert ran.returncode
        assert says in ran.stdout + ran.stderr
        assert "--replay 0" in ran.stdout + ran.stderr


def test_it_lies_by_the_model_that_learnt_from_it(adapted, run):
    (place,) = (adapted / "data/learnt").iterdir()
    start = adapted / yaml.safe_load((adapted / "params.yaml").read_text())["recipes"]["adapted"]["start"]
    assert place == laid_at(adapted, start) == laid_at(adapted, run)
    assert sorted(path.name for path in start.iterdir()) == sorted(MODEL_FILES), (
        "the start, which DVC watches, is a model and no more"
    )
