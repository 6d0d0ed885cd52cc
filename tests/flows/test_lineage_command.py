"""`diptych lineage`: from what is served back to the data, forward from data and pictures, and what an unknown name is near to."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from components.registry.store import open_store
from flows.cli import main
from flows.lineage.known import TAKEDOWN, versions
from tests.flows.registered import serve, version
from tests.flows.versioned import names, snapshot, workspace

ENVIRONMENT = {"digest": "e" * 64, "python": "3.11.9", "processor": "a chip", "packages": {"torch": "2.0"}}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A workspace with two versions: the first of today's data and served, the second of data that nobody has."""
    root = workspace(tmp_path_factory.mktemp("made") / "work", names(20), 15_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        first = version(
            root, "one", git_commit=commit(root), environment=ENVIRONMENT, uncommitted=["components/mine.py"],
            start={"path": "runs/first/pretrain", "digest": "5" * 64},
        )  # fmt: skip
        version(root, "two", data_digest="dead" * 16, lock={})
        open_store(root).client.set_registered_model_alias("clip", "champion", "1")
        serve(root, first)
    return root


@pytest.fixture
def root(made, monkeypatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(made)
    return made


def commit(root: Path) -> str:
    ran = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True)
    return ran.stdout.strip()


def digest(root: Path) -> str:
    return json.loads((root / "data/raw/source.json").read_text())["digest"]


def said(capsys, *arguments: str) -> str:
    assert main(["lineage", *arguments]) == 0
    return capsys.readouterr().out


def test_from_what_is_served_back_to_the_source(root, capsys):
    lines = said(capsys, "champion").splitlines()
    assert lines[0] == "endpoint 127.0.0.1:8123 (serves clip@1, since 2026-01-02T03:04:05+00:00)"
    assert lines[1].startswith("└─ serves: version clip@1 (aliases champion, package ")
    assert lines[2].startswith("   └─ registered from: run ")
    assert [line.strip(" ├└│─") for line in lines[3:]] == [
        "by: recipe clip (scale debug, seed 0)",
        f"with: commit {commit(root)[:12]} (files that it lacks components/mine.py)",
        "in: environment eeeeeeeeeeee (python 3.11.9, processor a chip)",
        "begun from: start 555555555555 (path runs/first/pretrain)",
        f"from: data {digest(root)[:12]} (samples 20)",
        "of: source painted (languages en)",
    ]


@pytest.mark.parametrize("name", ["clip@1", "clip@champion", "endpoint", "127.0.0.1:8123", "http://127.0.0.1:8123/"])
def test_the_same_by_every_name(root, capsys, name):
    assert said(capsys, name) == said(capsys, "champion")


def test_data_a_commit_a_run_and_an_environment_are_known_by_the_first_digits(root, capsys):
    first = versions(root)[0]
    for asked, title, below in (
        (digest(root)[:8], f"data {digest(root)[:12]}", ["source painted", "set data/raw", "version clip@1"]),
        (commit(root)[:8], f"commit {commit(root)[:12]}", ["version clip@1"]),
        ("HEAD", f"commit {commit(root)[:12]}", ["version clip@1"]),
        ("e" * 8, f"environment {'e' * 12}", ["version clip@1"]),
        (first.digest[:9], "endpoint 127.0.0.1:8123", ["version clip@1"]),
    ):
        found = json.loads(said(capsys, asked, "--json"))["found"]
        (node,) = found
        assert f"{node['kind']} {node['name'][:12] if len(node['name']) > 30 else node['name']}" == title
        assert [f"{one['kind']} {one['name']}" for one in node["below"]] == below
    run = json.loads(said(capsys, first.run_id, "--json"))["found"][0]
    assert [one["how"] for one in run["below"]] == ["became", "by", "with", "in", "begun from", "from"]
    lost = said(capsys, "deaddead")
    assert "source neither here nor in DVC's cache" in lost
    assert "made: version clip@2" in lost


def test_who_holds_a_picture_and_where_that_is_served(root, capsys):
    (train,) = json.loads(said(capsys, "k002", "--json"))["found"]
    held = {one["name"]: one for one in train["below"]}
    assert list(held) == ["data/raw", "data/curated/clip", "clip@1", "clip@2"]
    assert held["data/raw"]["facts"] == {"train": 1}
    assert held["clip@1"]["facts"]["trained on"] == 1
    assert [one["name"] for one in held["clip@1"]["below"]] == ["127.0.0.1:8123"]
    assert "(digest deaddeaddead)" in held["clip@2"]["facts"]["cannot be told"]
    pair = said(capsys, "k004")
    assert "measured with 1" in pair
    assert "data/curated/clip" not in pair


def test_what_began_as_a_version_goes_back_to_its_data_and_forward_from_its_pictures(
    root, tmp_path, monkeypatch, capsys
):
    shutil.copytree(root, tmp_path / "work", symlinks=True)
    monkeypatch.chdir(tmp_path / "work")
    version(tmp_path / "work", "three", models={"pretrain": "7" * 64, "finetune": "8" * 64})
    adapted = {"data_digest": "beef" * 16, "lock": {}, "models": {"pretrain": "8" * 64, "finetune": "9" * 64}}
    version(tmp_path / "work", "four", start={"path": "models/clip-8888", "digest": "8" * 64}, **adapted)
    (start,) = (one for one in made_of(json.loads(said(capsys, "clip@4", "--json"))) if one["kind"] == "start")
    (before,) = start["below"]
    assert (before["name"], before["how"]) == ("clip@3", "is the model of")
    assert [one["name"] for one in before["below"][0]["below"] if one["kind"] == "data"] == [digest(tmp_path / "work")]
    (picture,) = json.loads(said(capsys, "k002", "--json"))["found"]
    held = {one["name"]: one["facts"] for one in picture["below"]}
    assert held["clip@3"]["trained on"] == 1
    assert held["clip@4"]["began as clip@3: trained on"] == 1


def made_of(told: dict) -> list[dict]:
    """Return what a version's run was made from."""
    (its,) = told["found"]
    return its["below"][0]["below"]


def test_a_picture_that_left_the_workspace_is_found_where_a_version_learned_from_it(
    root, tmp_path, monkeypatch, capsys
):
    shutil.copytree(root, tmp_path / "work", symlinks=True)
    monkeypatch.chdir(tmp_path / "work")
    for folder in ("data/raw", "data/curated/clip", ".diptych/lineage"):
        shutil.rmtree(tmp_path / "work" / folder)
    snapshot(tmp_path / "work/data/raw", ["k500"])
    found = json.loads(said(capsys, "k002", "--json"))["found"][0]["below"]
    assert [(one["kind"], one["name"], one["facts"].get("trained on")) for one in found] == [
        ("version", "clip@1", 1), ("version", "clip@2", None),
    ]  # fmt: skip
    shutil.rmtree(tmp_path / "work/.dvc/cache")  # what was read once is known
    assert json.loads(said(capsys, "k002", "--json"))["found"][0]["below"] == found


def test_an_index_of_a_manifest_that_changed_is_made_again(root, tmp_path, monkeypatch, capsys):
    shutil.copytree(root, tmp_path / "work", symlinks=True)
    monkeypatch.chdir(tmp_path / "work")
    said(capsys, "k002")
    shutil.rmtree(tmp_path / "work/data/raw")
    snapshot(tmp_path / "work/data/raw", ["k500"])
    assert "held by: set data/raw (train 1)" in said(capsys, "k500")
    assert "data/raw" not in said(capsys, "k002")
    assert len(list((tmp_path / "work/.diptych/lineage/pictures").glob("*.*"))) == 2, "one for each set there is"


def test_what_somebody_wrote_to_the_registry_is_seen_at_once(root, tmp_path, monkeypatch, capsys):
    shutil.copytree(root, tmp_path / "work", symlinks=True)
    monkeypatch.chdir(tmp_path / "work")
    said(capsys, "clip@2")
    said(capsys, "clip@2")
    client = open_store(tmp_path / "work").client
    client.set_model_version_tag("clip", "2", "diptych.deployed_at", "2026-02-03")
    client.set_model_version_tag("clip", "2", TAKEDOWN, json.dumps([{"sentence": "2 samples on a Monday: asked for"}]))
    client.set_registered_model_alias("clip", "tried", "2")
    line = said(capsys, "tried").splitlines()[0]
    assert line.startswith("version clip@2 (aliases tried, package ")
    assert "deployed 2026-02-03, taken down 2 samples on a Monday: asked for" in line


def test_a_picture_for_mermaid_has_a_box_a_thing_and_no_letter_that_it_would_take_for_its_own(root, capsys):
    lines = said(capsys, "champion", "--mermaid").splitlines()
    assert lines[0] == "flowchart LR"
    boxes = [line for line in lines if re.fullmatch(r'  n\d+\["[^"\[\]<>|]+"\]', line)]
    arrows = [line for line in lines if re.fullmatch(r"  n\d+ -->\|[\w ]+\| n\d+", line)]
    assert len(boxes) == len(arrows) + 1 == 9
    assert len(lines) == 1 + len(boxes) + len(arrows)


def test_an_unknown_name_is_told_what_there_is_and_the_nearest(root, capsys):
    for asked, near in (("clip@7", "clip@"), ("k0022", "k002"), ("champoin", "champion")):
        assert main(["lineage", asked]) == 1
        err = capsys.readouterr().err
        assert f"{asked!r} is no alias or version (champion, clip@champion, clip@3), no run" in err
        assert "There are the versions clip@1, clip@2." in err
        assert near in err.partition("Nearest: ")[2]


def test_where_there_is_no_version_yet_that_is_said_and_data_is_known_all_the_same(tmp_path, monkeypatch, capsys):
    root = workspace(tmp_path / "work", names(5))
    monkeypatch.chdir(root)
    assert main(["lineage", "endpoint"]) == 1
    assert "Nothing is served in this workspace" in capsys.readouterr().err
    assert main(["lineage", "champion"]) == 1
    assert "There is no version yet: diptych run." in capsys.readouterr().err
    assert "held by: set data/raw (samples 5)" in said(capsys, digest(root))
    assert not (root / "mlflow.db").exists(), "nobody made a registry by asking"
