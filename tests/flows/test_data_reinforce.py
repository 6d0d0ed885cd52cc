"""`diptych data reinforce` and a training from what it wrote, on a small real workspace; the teachers are gone by then."""

import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from components.contracts.errors import ConfigError, DataError
from components.data.manifest import read_manifest
from components.data.side.read import Side
from components.recipes.recipe import load_recipe
from components.stages.selected import Selected
from flows.cli import main
from tests.workspace import diptych, environment

pytestmark = pytest.mark.timeout(600)
TEACHERS = ("--teacher", "runs/clip/package", "--teacher", "runs/clip/pretrain")


@pytest.fixture(scope="module")
def root(own: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a package, and a table of captions for two of its samples."""
    root = shutil.copytree(own.parent, tmp_path_factory.mktemp("reinforce") / "work", symlinks=True) / own.name
    keys = [
        row["key"]
        for row in read_manifest(root / "data/curated/clip/manifest.parquet").to_pylist()
        if row["split"] == "train"
    ]
    (root / "captions.csv").write_text(f"key,text\n{keys[0]},a shape on paper\n{keys[1]},something painted\n")
    return root


@pytest.fixture(scope="module")
def written(root: Path) -> dict[str, str]:
    """What the command prints as JSON."""
    ran = diptych(root, "data", "reinforce", *TEACHERS, "--views", "2", "--captions", "captions.csv", "--json")
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def taught(root: Path, written: dict[str, str]) -> None:
    """Lay the recipe `taught` into the workspace: clip, reinforced."""
    recipe = yaml.safe_load((root / "components/recipes/clip.yaml").read_text())
    recipe["method"] = {
        "class_path": "components.methods.reinforce.Reinforce", "init_args": {"method": recipe["method"], "share": 0.75},
    }  # fmt: skip
    recipe["training"]["reinforce"] = {"side": written["side"], "digest": written["digest"][:12]}
    (root / "components/recipes/taught.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    shutil.copytree(root / "data/curated/clip", root / "data/curated/taught", dirs_exist_ok=True)


def pretrain(root: Path) -> subprocess.CompletedProcess[str]:
    """Run the stage as dvc.yaml does."""
    command = [str(root / "infra/python"), "-m", "components.stages.pretrain", "--recipe", "taught"]
    return subprocess.run(command, cwd=root, env=environment(), capture_output=True, text=True, check=False)


def test_it_says_what_a_recipe_has_to_say_and_asks_nobody_twice(root, written):
    ran = diptych(root, "data", "reinforce", *TEACHERS, "--views", "2", "--captions", "captions.csv")
    assert ran.returncode == 0, ran.stderr
    assert (
        ran.stdout.splitlines()[-1]
        == f'  reinforce: {{side: data/reinforced/clip, digest: "{written["digest"][:12]}"}}'
    )
    assert "MB; " in ran.stdout
    assert " are there" in ran.stdout
    side = Side.open(root / "data/reinforced/clip", written["digest"])
    assert [teacher.name for teacher in side.about.teachers] == ["package", "pretrain"]
    assert side.about.count == 2
    assert sorted(text for shard in side.shards for texts in shard.extra for text in texts) == [
        "a shape on paper",
        "something painted",
    ]


def test_a_recipe_trains_from_it_when_no_teacher_is_there_any_more(root, written):
    taught(root, written)
    (root / "runs").rename(root / "elsewhere")
    try:
        ran = pretrain(root)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        header, *rows = (root / "runs/taught/pretrain/curves.csv").read_text().splitlines()
        apart = [float(row.split(",")[header.split(",").index("train.distillation")]) for row in rows]
        assert len(apart) == 8
        assert min(apart) > 0
        words = json.loads((root / "runs/taught/pretrain/tokenizer.json").read_text())["model"]["vocab"]
        assert "paper</w>" in words or any("aper" in word for word in words), (
            "captions that were added are words to learn, too"
        )
    finally:
        shutil.rmtree(root / "runs", ignore_errors=True)
        (root / "elsewhere").rename(root / "runs")


@pytest.mark.parametrize(
    ("reinforce", "said"),
    [
        ({"side": "data/reinforced/clip", "digest": "0" * 12}, "but the recipe asks for 000000000000"),
        ({"side": "data/reinforced/none", "digest": "0" * 12}, "holds no side.json"),
        ({"side": "data/reinforced/clip"}, r"taught.yaml, line \d+: digest is ''.*Give the 12 digits"),
        ({"site": "data/reinforced/clip"}, r"taught.yaml, line \d+: .*Did you mean side\?"),
    ],
)
def test_what_does_not_fit_ends_in_one_sentence_before_anything_is_trained(root, written, reinforce, said):
    taught(root, written | reinforce)
    path = root / "components/recipes/taught.yaml"
    recipe = yaml.safe_load(path.read_text())
    recipe["training"]["reinforce"] = reinforce
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    with pytest.raises((ConfigError, DataError), match=said):
        Selected.read(root, "taught", load_recipe(root, "taught", "debug").training)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--teacher", "runs/none"], "'runs/none' is no model"), ([*TEACHERS, "--views", "0"], "nothing to learn from"),
        (["--teacher", "runs/clip/pretrain", "--views", "3"], "has side shards of other captions, count, teachers"),
        ([*TEACHERS, "--captions", "none.csv"], "none.csv cannot be read"),
        (["--teacher", "runs/clip/pretrain", "--recipe", "none"], "none"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_told_in_one_sentence(root, written, arguments, said, monkeypatch, capsys):
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    monkeypatch.chdir(root)
    try:
        code = main(["data", "reinforce", *arguments])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert code == 1
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
