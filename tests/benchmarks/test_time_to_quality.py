"""All sides of the time to quality are given the same, are asked the same, and the page shows what was measured."""

import gzip
import itertools
import json
import re

import numpy as np
import pytest
import yaml
from PIL import Image

from components.contracts.errors import DataError
from components.evaluation.retrieval import recall_at_1
from components.recipes.yaml_lines import overlay
from tests.benchmarks import quality_data, time_to_quality, time_to_quality_page
from tests.benchmarks.environments import ROOT
from tests.benchmarks.our_quality import trained, with_overrides
from tests.benchmarks.peers import quality, quality_net
from tests.benchmarks.peers.spent import cpu_s

BELONGS = np.array([[True, False, True], [False, True, False]])


def test_recall_is_what_ours_is_and_a_tie_is_lost():
    draw = np.random.default_rng(0)
    for scores in (np.round(draw.normal(size=(2, 3)), 1) for _ in range(50)):
        assert quality.recall_at_1(scores, BELONGS) == recall_at_1(scores, BELONGS)["image_to_text"]
    assert quality.recall_at_1(np.array([[0.2, 0.1, 0.9], [0.5, 0.5, 0.1]]), BELONGS) == 0.5


def course(*, stop: bool) -> quality.Course:
    ticks = itertools.count(0.0, 10.0)  # the clock is asked before and after a look: 10 s each
    return quality.Course(BELONGS, 0.6, lambda: next(ticks), stop=stop)


RIGHT, HALF = (np.eye(2), np.eye(3, 2).astype(float)), (np.array([[1.0, 0], [1, 0]]), np.eye(3, 2))


def test_looking_does_not_count():
    own = course(stop=False)
    own.begins()
    for step, given in ((11, HALF), (22, RIGHT)):
        own.look(step, lambda given=given: given)
    told = json.loads(own.told(parameters=5))
    assert told["looks"] == [[11, 10.0, 0.5], [22, 20.0, 1.0]]
    assert (told["cpu_s"], told["steps"], told["looking_s"], told["prepared_s"]) == (20.0, 22, 20.0, 0.0)
    assert told["parameters"] == 5


def test_a_training_is_left_when_it_is_there_and_not_before():
    own = course(stop=True)
    own.look(11, lambda: HALF)
    assert json.loads(own.told())["cpu_s"] is None
    with pytest.raises(quality.Reached):
        own.look(22, lambda: RIGHT)


def test_peers_train_the_image_network_of_the_recipe_and_as_many_text_tokens():
    recipe, scale = with_overrides(ROOT, time_to_quality.QUICK)
    image, text = (recipe.model["init_args"][side]["init_args"] for side in ("image", "text"))
    assert image["net_args"] == quality_net.NET
    assert image["net"] == "resnet18"
    assert (text["width"], text["heads"], text["depth"]) == (quality_net.WIDTH, quality_net.HEADS, quality_net.DEPTH)
    assert recipe.model["init_args"]["width"] == quality_net.WIDTH
    assert recipe.training.context == quality_net.CONTEXT
    assert recipe.training.vocabulary == 2 * 256 + 2 + quality_data.MERGES
    assert scale.batch == 256
    assert scale.pixels in time_to_quality.SIZES


def test_what_is_put_back_in_an_ablation_is_what_the_recipe_has():
    plain, _ = with_overrides(ROOT, {})
    views = time_to_quality.ABLATION["the recipe's views"]["training"]["views"]
    assert {name: views[name] for name in plain.training.views} == plain.training.views
    for name, numbers in time_to_quality.ABLATION.items():
        with_overrides(ROOT, overlay(time_to_quality.QUICK, numbers))  # raises for a name that nothing takes
        assert (numbers == {}) == (name == "all of it")
    rate = time_to_quality.ABLATION["the recipe's rate and warm-up"]["training"]["optimisation"]
    assert rate == {name: getattr(plain.training.optimisation, name) for name in rate}


def test_peers_get_what_ours_is_trained_on(tmp_path, monkeypatch):
    picture = Image.new("RGB", (80, 80), "white")
    picture.paste("red", (20, 20, 60, 60))
    picture.save(tmp_path / "square.png")
    data = (tmp_path / "square.png").read_bytes()
    pool = quality_data.Pool(
        keys=("a", "b"), pictures=(data, data), captions=(("red square",), ("blue ring",)), concepts=("square", "ring"),
        sources=("x", "x"),
    )  # fmt: skip
    monkeypatch.setattr(quality_data, "selection", lambda workspace, split: pool)
    quality_data.write(tmp_path, tmp_path, (32,))
    lines = (tmp_path / "train.csv").read_text().splitlines()
    assert [line.split("\t")[1] for line in lines] == ["title", "red square", "blue ring"]
    with Image.open(lines[1].split("\t")[0]) as shown:
        assert (shown.size, shown.mode) == ((53, 53), "RGB")
        assert shown.getpixel((8, 8)) == (255, 0, 0)  # trimmed: before, a quarter of it was white
    asked = quality.Pool(tmp_path, "pair-32")
    assert asked.pixels.shape == (2, 3, 32, 32)
    assert asked.texts == ["red square", "blue ring"]
    assert asked.belongs.tolist() == [[True, False], [False, True]]
    merges = gzip.decompress((tmp_path / "merges.txt.gz").read_bytes()).decode().splitlines()
    assert all(len(merge.split()) == 2 for merge in merges[1:])


def test_data_that_is_not_there_is_told_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(DataError, match="dvc repro curate@clip"):
        quality_data.selection(tmp_path, "train")


def runs(*taken: float | None, versions: dict[str, str] | None = None) -> list[dict[str, object]]:
    return [
        {"cpu_s": one, "steps": one and 11, "prepared_s": 5.0, "looking_s": 1.0, "parameters": 7, "versions": versions or {"torch": "2"}}
        for one in taken
    ]  # fmt: skip


def test_ratios_are_of_medians_and_the_nearest_peer_counts():
    turns = {"ours": runs(30.0, 20.0, 90.0), "open_clip": runs(90.0, 60.0, None), "other": runs(200.0, None, None)}
    said = time_to_quality.compared(turns)
    assert said["ratios"] == {"open_clip": 3.0, "other": None}
    assert (said["ratio"], said["ours"], said["peer"]) == (3.0, 30.0, 90.0)
    assert said["sides"]["open_clip"]["highest"] is None
    assert said["sides"]["other"]["reached"] == 1
    shown = time_to_quality_page.table(
        {**said, "runs": 3, "split": "pair", "commit": "c", "machine": "m", "command": "x"}
    )
    assert "90 (60–not reached)" in shown
    assert "not reached by 2 of 3" in shown
    assert "| sentence-transformers | not measured |" in shown


@pytest.mark.parametrize(
    ("peer", "ours", "words"),
    [
        (90.0, 30.0, ["holds", "holds"]),
        (89.0, 30.0, ["does not hold", "holds"]),
        (None, 30.0, ["does not hold", "holds"]),
        (300.0, 70.0, ["holds", "does not hold"]),
        (90.0, None, ["does not hold"] * 2),
    ],
)
def test_the_page_says_what_holds_and_what_does_not(peer, ours, words):
    said = time_to_quality.compared({"ours": runs(ours), "open_clip": runs(peer)})
    assert re.findall(r"\*\*(.*?)\*\*", time_to_quality_page.verdict(said)) == words


def test_a_comparison_and_its_ablation_are_kept_beside_each_other(tmp_path, monkeypatch):
    monkeypatch.setattr(time_to_quality, "KEPT_AT", tmp_path / "kept.json")
    first = time_to_quality.kept_with({"ratio": 1, "command": "x", "split": "pair"}, ablation=False)
    (tmp_path / "kept.json").write_text(json.dumps(first))
    both = time_to_quality.kept_with({"sides": {}, "command": "y", "split": "val"}, ablation=True)
    assert (both["ratio"], both["ablation"]["command"]) == (1, "y --split val --ablation")
    (tmp_path / "kept.json").write_text(json.dumps(both))
    assert (
        time_to_quality.kept_with({"ratio": 2, "command": "z", "split": "pair"}, ablation=False)["ablation"]
        == both["ablation"]
    )


def test_our_side_trains_and_looks_as_often_as_it_is_told(tmp_path, monkeypatch):
    names = ("red", "blue", "lime", "black")
    for name in names:
        Image.new("RGB", (40, 40), name).save(tmp_path / f"{name}.png")
    pool = quality_data.Pool(
        keys=names, pictures=[(tmp_path / f"{name}.png").read_bytes() for name in names], captions=tuple((name,) for name in names),
        concepts=names, sources=("x",) * 4,
    )  # fmt: skip
    monkeypatch.setattr(quality_data, "selection", lambda workspace, split: pool)
    quality_data.write(tmp_path, tmp_path, (32,))
    few = {"training": {"batch": 4, "steps": 5, "watch_every": 2, "precision": "fp32"}}
    recipe, scale = with_overrides(ROOT, overlay(time_to_quality.QUICK, few))
    shown = quality.Pool(tmp_path, "val-32")
    own = quality.Course(shown.belongs, 2.0, cpu_s, stop=True)  # more than there can be: it goes on to the end
    said = trained(pool, recipe, scale, 0, own, shown)
    assert [step for step, _, _ in own.looks] == [2, 4, 5]
    assert own.looks[0][1] > own.prepared_s > 0
    assert said["parameters"] > 1_000_000


def test_the_page_shows_what_was_measured():
    page = time_to_quality_page.PAGE.read_text(encoding="utf-8")
    assert time_to_quality_page.START in page
    assert time_to_quality_page.with_tables(page) == page


def test_what_was_measured_says_all_that_a_benchmark_must():
    said = json.loads(time_to_quality_page.KEPT.read_text())
    assert {"bench", "ratio", "ours", "peer", "peer_version", "unit", "runs", "machine", "commit"} <= set(said)
    assert said["split"] == "pair", "settings were chosen on val"
    ours, *theirs = (its["parameters"] for its in said["sides"].values())
    assert all(abs(one / ours - 1) < 0.05 for one in theirs)
    assert set(said["sides"]) == set(time_to_quality.SIDES)
    assert said["ratio"] >= time_to_quality_page.ENOUGH
    assert said["ours"] < time_to_quality_page.MOST_CPU_S


def test_the_page_names_the_file_of_the_numbers_and_what_is_in_it():
    page = time_to_quality_page.PAGE.read_text(encoding="utf-8")
    assert "tests/benchmarks/quick.yaml" in page
    assert set(yaml.safe_load((ROOT / "tests/benchmarks/quick.yaml").read_text())) == {"training"}
