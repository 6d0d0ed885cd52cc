"""What recipes there are, for a person and a program, and one of them as it would be run."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from components.contracts.errors import ConfigError
from flows.cli import main
from flows.recipes import as_lines, recipes, resolved

REPOSITORY = Path(__file__).parents[2]
NAMES = sorted(path.stem for path in (REPOSITORY / "components/recipes").glob("*.yaml"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The recipes, params.yaml and results, to break."""
    shutil.copytree(REPOSITORY / "components/recipes", tmp_path / "components/recipes")
    shutil.copytree(REPOSITORY / "docs/results", tmp_path / "docs/results")
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    return tmp_path


def test_every_recipe_is_listed_with_its_paper_and_what_was_measured(root):
    rows = {row["name"]: row for row in recipes(root)}
    assert sorted(rows) == NAMES
    kept = json.loads((root / "docs/results/clip.json").read_text())["metrics"][
        "retrieval.pair.image_to_text.recall_at_1"
    ]
    clip = rows["clip"]
    assert (clip["chosen"], clip["arxiv"], clip["status"]) == (True, "2103.00020", "measured")
    assert f"R@1 on pair {kept['value']:.1%}" in clip["evidence"]
    assert rows["siglip"]["title"].startswith("Sigmoid Loss")
    assert (rows["siglip"]["chosen"], rows["siglip"]["status"]) == (False, "measured")
    assert {row["status"] for row in rows.values()} <= {"measured", "not run"}


def test_a_recipe_without_results_was_not_run(root):
    (root / "docs/results/clip.json").unlink()
    clip = next(row for row in recipes(root) if row["name"] == "clip")
    assert (clip["status"], clip["evidence"]) == ("not run", "not run")


def test_a_broken_recipe_is_told_of_among_the_others(root):
    path = root / "components/recipes/siglip.yaml"
    path.write_text(path.read_text().replace("  year: 2023\n", "  yaer: 2023\n"))
    rows = {row["name"]: row for row in recipes(root)}
    assert rows["clip"]["status"] == "measured"
    assert rows["siglip"]["status"] == "broken"
    assert re.search(r"siglip.yaml, line \d+: .*'yaer'.*year", rows["siglip"]["evidence"])
    assert any("yaer" in line for line in as_lines(rows.values()))


def test_a_recipe_is_shown_as_it_would_be_run(root):
    params = root / "params.yaml"
    params.write_text(params.read_text().replace("  training: {}", "  training: {steps: 3, vocabulary: 300}"))
    shown = yaml.safe_load(resolved(root, "siglip", "debug"))
    assert shown["model"]["init_args"]["width"] == 32  # the size of the scale
    assert shown["model"]["init_args"]["logit_scale"]["init_args"]["bias"] == -10.0
    assert (shown["training"]["steps"], shown["training"]["vocabulary"]) == (3, 300)  # the overrides
    assert shown["training"]["batch"] == 16  # the scale
    assert yaml.safe_load(resolved(root, "siglip"))["scale"] == "laptop"


@pytest.mark.parametrize(("scale", "net"), [("small", "vit_small"), ("base", "vit_base"), ("large", "vit_large")])
def test_a_recipe_is_shown_at_the_larger_scales(root, scale, net):
    shown = yaml.safe_load(resolved(root, "clip", scale))
    assert shown["model"]["init_args"]["image"]["init_args"]["net"].startswith(net)
    training = shown["training"]
    assert (training["precision"], training["pixels"], training["shard"]) == ("bf16", 224, scale == "large")


def test_a_name_that_does_not_exist_is_told_with_the_nearest(root):
    with pytest.raises(ConfigError, match=r"no recipe 'sigclip'.*did you mean siglip"):
        resolved(root, "sigclip")


def test_the_command_prints_both_for_programs_and_people(monkeypatch, capsys):
    monkeypatch.chdir(REPOSITORY)
    assert main(["recipes", "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == NAMES
    assert main(["recipes"]) == 0
    assert "* clip: holds" in capsys.readouterr().out
    assert main(["recipes", "show", "clip", "--scale", "debug"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["name"] == "clip"


def test_a_proof_is_the_evidence_of_a_recipe_that_was_not_run_otherwise(root):
    shutil.copytree(REPOSITORY / "docs/proofs", root / "docs/proofs")
    alip = next(row for row in recipes(root) if row["name"] == "alip")
    seeds, outcome = len(alip["proof"]["seeds"]), alip["proof"]["outcome"]
    assert alip["status"] == outcome
    assert re.fullmatch(rf"{seeds} seeds, .*; docs/proofs/alip\.json", alip["evidence"])
    lines = list(as_lines([alip]))
    assert sum("docs/proofs/alip.json" in line for line in lines) == 1
    assert sum(line.startswith("    proof ") for line in lines) == len(alip["proof"]["claims"])
