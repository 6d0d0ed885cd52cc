"""dvc.yaml: every stage names what it reads, none reads a test picture before evaluate, and an edit reruns what it must."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from dvc.repo import Repo

from components.contracts.sample import SPLITS, TEST_SPLITS
from components.data.kinds import KINDS
from components.recipes.params import UNTRAINED
from components.recipes.recipe import SECTIONS
from components.stages.code import CODE, FOLDER, LISTS, write_code

REPOSITORY = Path(__file__).parents[1]
ALL: dict[str, dict[str, Any]] = {
    name: entry.get("do", entry)
    for name, entry in yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"].items()
}
STAGES = {name: body for name, body in ALL.items() if name != CODE}
BEFORE_EVALUATE = ("curate", "pretrain", "finetune")
RECIPE = "components/recipes/${key}.yaml"


def data_deps(stage: str) -> list[str]:
    """What a stage depends on, code left out."""
    return [dep for dep in STAGES[stage]["deps"] if not dep.startswith(f"{FOLDER}/")]


def sections(stage: str) -> set[str]:
    """The recipe's sections that are params of a stage."""
    named = [param[RECIPE] for param in STAGES[stage]["params"] if isinstance(param, dict) and RECIPE in param]
    return {section for part in named for section in part if "." not in section}  # of a key below one, not the whole


def upstream(stage: str) -> set[str]:
    """All stages whose outputs a stage depends on, at any distance."""
    makers = {out: name for name, body in STAGES.items() for out in body["outs"]}
    direct = {makers[out] for dep in data_deps(stage) for out in makers if PurePosixPath(dep).is_relative_to(out)}
    return direct | {further for name in direct for further in upstream(name)}


def test_every_stage_is_of_its_own_code():
    assert ALL[CODE] == {
        "cmd": "infra/python -m components.stages.code",
        "deps": ["components"],
        "outs": [{FOLDER: {"cache": False}}],
    }
    for stage, body in STAGES.items():
        assert [dep for dep in body["deps"] if dep not in data_deps(stage)] == [f"{FOLDER}/{stage}"]


def test_the_code_of_every_stage_is_what_it_imports():
    checked = subprocess.run([sys.executable, "-m", "infra.stage_code"], cwd=REPOSITORY, capture_output=True, text=True)
    assert (checked.stdout, checked.stderr, checked.returncode) == ("", "", 0)


def test_a_stage_that_names_too_little_is_found(tmp_path):
    for name in ("components", "infra"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "dvc.yaml", tmp_path)
    text = (REPOSITORY / LISTS).read_text()
    (tmp_path / LISTS).write_text(text.replace("- components/objectives/softmax.py\n", ""))
    command = [sys.executable, "-m", "infra.stage_code"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert said.returncode == 1
    assert said.stdout.splitlines()[0] == "pretrain: imports components/objectives/softmax.py"
    assert subprocess.run([*command, "--write"], cwd=tmp_path, capture_output=True).returncode == 0
    assert (tmp_path / LISTS).read_text() == text


@pytest.mark.parametrize("stage", BEFORE_EVALUATE)
def test_no_test_picture_is_a_dependency_before_evaluate(stage):
    hidden = [f"data/raw/{split}" for split in TEST_SPLITS] + ["data/evaluation"]
    for dep in map(PurePosixPath, data_deps(stage)):
        for pool in map(PurePosixPath, hidden):
            assert not dep.is_relative_to(pool), f"{stage} reads {dep}"
            assert not pool.is_relative_to(dep), f"{stage} reads {dep}, in which {pool} lies"


@pytest.mark.parametrize("stage", BEFORE_EVALUATE)
def test_what_is_read_before_evaluate_was_made_without_test_pictures_or_without_test_rows(stage):
    known = {"data/raw/train", "data/raw/val", "data/validated/manifest.parquet"}  # the manifest: tests of validation
    known |= {f"data/validated/{kind.file}" for kind in KINDS}  # as the manifest
    known |= {"${item.start}"}  # the model of a run that saw no more, or of somebody else
    made = {out for name in BEFORE_EVALUATE for out in STAGES[name]["outs"]}
    assert set(data_deps(stage)) <= known | made


def test_pictures_lie_in_a_folder_a_split_so_that_this_means_something():
    assert {PurePosixPath(dep).name for dep in data_deps("pretrain") if dep.startswith("data/raw/")} <= set(SPLITS)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_its_own_module_for_its_own_recipe(stage):
    recipe = " --recipe ${key}" if any("${key}" in out for out in STAGES[stage]["outs"]) else ""
    assert STAGES[stage]["cmd"] == f"infra/python -m components.stages.{stage}{recipe}"
    assert (REPOSITORY / f"components/stages/{stage}.py").exists()


def read_sections(stage: str) -> set[str]:
    """The sections of the recipe that a stage's code touches."""
    tree = ast.parse((REPOSITORY / f"components/stages/{stage}.py").read_text())
    touched = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "recipe"
    }
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    touched |= {name.removeprefix("load_") for name in called if name.removeprefix("load_") in SECTIONS}
    return (touched & set(SECTIONS)) | ({"sizes"} if "model" in touched else set())


@pytest.mark.parametrize("stage", STAGES)
def test_sections_of_the_recipe_are_params_of_the_stages_that_read_them(stage):
    """What a stage reads is its own param, or that of a stage it waits for; and it names nothing that it does not read."""
    waited_for = {section for name in upstream(stage) for section in sections(name)}
    assert sections(stage) <= read_sections(stage)
    assert read_sections(stage) <= sections(stage) | waited_for


def test_every_section_of_the_recipe_is_somebodys_param():
    assert {section for stage in STAGES for section in sections(stage)} == set(SECTIONS)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace in which all is up to date, its outputs filled with anything: DVC compares, it does not run."""
    root = tmp_path_factory.mktemp("workspace")
    shutil.copytree(REPOSITORY / "components", root / "components", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)  # DVC looks for paths from where it is called
        patch.setenv("DVC_NO_ANALYTICS", "1")
        patch.setenv("DVC_SITE_CACHE_DIR", str(root / ".site"))
        (recipe,) = yaml.safe_load((root / "params.yaml").read_text())["recipes"]
        paths = {path for body in STAGES.values() for path in (*body["outs"], *body["deps"])}
        named = (
            path.replace("${key}", recipe).replace("${source.path}", "data/own").replace("${item.start}", UNTRAINED)
            for path in paths
        )
        for path in sorted(path for path in named if not path.startswith(f"{FOLDER}/")):
            made = root / path
            if made.suffix:
                made.write_text(path)
            else:
                made.mkdir(parents=True, exist_ok=True)
                (made / "content").write_text(path)
        write_code(root)
        with Repo.init(str(root), no_scm=True) as repo:
            repo.commit(force=True)
        assert stale(root) == set()
        yield root


def stale(root: Path) -> set[str]:
    """The stages that would run now, without those that follow from them."""
    write_code(root)  # which DVC has `code` do
    with Repo(str(root)) as repo:
        return {address.partition("@")[0] for address in repo.status()} - {CODE}


CLIP, SCALES = "components/recipes/clip.yaml", "components/recipes/scales"


@pytest.mark.parametrize(
    ("file", "pattern", "by", "runs"),
    [
        (CLIP, r"claim: ", "claim: surely ", {"package"}),
        (CLIP, r"splits: \[train, val\]", "splits: [train]", {"curate"}),
        (CLIP, r"temperature: 0.07", "temperature: 0.1", {"pretrain"}),
        (CLIP, r"(?<=sizes:\n)(\s+\w+:\n\s+init_args:\n)", r"\1      logit_scale: {}\n", {"pretrain"}),
        (CLIP, r"objective:\n", r"\g<0>      init_args: {smoothing: 0.1}\n", {"pretrain", "finetune"}),
        (CLIP, r"vocabulary: \d+", "vocabulary: 512", {"pretrain", "finetune"}),
        (CLIP, r"finetuning: null", "finetuning: {}", {"finetune"}),
        (CLIP, r"ks: \[1, 5, 10\]", "ks: [1, 5]", {"evaluate"}),
        (CLIP, r"opset: \d+", "opset: 19", {"package"}),
        (CLIP, r"\A", "# a comment\n", set()),
        (f"{SCALES}/debug.yaml", r"steps: \d+", "steps: 99", set()),  # not the scale that is chosen
        (f"{SCALES}/laptop.yaml", r"steps: \d+", "steps: 99", {"pretrain", "finetune"}),
        (CLIP, r"context: \d+", "context: 32", {"curate", "pretrain", "finetune"}),
        (f"{SCALES}/laptop.yaml", r"pixels: \d+", "pixels: 99", {"curate", "pretrain", "finetune"}),
        ("params.yaml", r"max_broken: [\d.]+", "max_broken: 0.5", {"validate"}),
        ("params.yaml", r"languages: \[en\]", "languages: [en, de]", {"ingest"}),
        (
            "params.yaml",
            r"(?<=path: data/own)",
            "\n  url: s3://b/c\n  version: 0a",
            {"ingest"},
        ),  # what lies there changed
        ("params.yaml", r"seed: 0", "seed: 1", {"ingest", "validate", "curate", "pretrain", "finetune", "evaluate"}),
        ("params.yaml", r"(?<=  curation: )\{\}", "{splits: [train]}", {"curate"}),
        ("params.yaml", r"(?<=  model: )\{\}", "{init_args: {width: 64}}", {"pretrain"}),
        ("params.yaml", r"(?<=  method: )\{\}", "{init_args: {}}", {"pretrain", "finetune"}),
        ("params.yaml", r"(?<=  training: )\{\}", "{steps: 500}", {"pretrain", "finetune"}),
        ("params.yaml", r"(?<=  finetuning: )\{\}", "{init_args: {}}", {"finetune"}),
        ("params.yaml", r"(?<=  evaluation: )\{\}", "{batch: 8}", {"evaluate"}),
        ("params.yaml", r"(?<=  serving: )\{\}", "{opset: 19}", {"package"}),
        ("data/own/content", r"\Z", "another picture", {"ingest"}),
        ("data/sets/content", r"\Z", "another set", {"evaluate"}),
        ("components/objectives/softmax.py", r"\Z", "\n", {"pretrain", "finetune"}),
        ("components/finetuning/locked.py", r"\Z", "\n", {"finetune"}),
        ("components/evaluation/calibration.py", r"\Z", "\n", {"evaluate"}),
        ("components/serving/export.py", r"\Z", "\n", {"package"}),
    ],
    ids=lambda value: ",".join(sorted(value)) if isinstance(value, set) else str(value),  # a set has no order
)
def test_an_edit_makes_stale_the_stages_that_read_it_and_no_other(workspace, file, pattern, by, runs):
    text = (workspace / file).read_text()
    edited, count = re.subn(pattern, by, text, count=1)
    assert count == 1, f"{file} has no {pattern!r} any more: change the test with it"
    (workspace / file).write_text(edited)
    try:
        assert stale(workspace) == runs
    finally:
        (workspace / file).write_text(text)


def test_editing_evaluation_runs_evaluate_and_package_and_nothing_before():
    assert {stage for stage in STAGES if "evaluation" in sections(stage)} == {"evaluate"}
    assert {stage for stage in STAGES if "evaluate" in upstream(stage)} == {"package"}
