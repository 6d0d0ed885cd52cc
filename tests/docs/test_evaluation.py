"""docs/evaluation.md says what the recipe says, names files that exist, and metrics and settings that there are."""

import inspect
import json
import re
import shlex
from pathlib import Path
from typing import get_args

import yaml

from components.contracts.asked_set import AskedSet
from components.contracts.evaluator import Evaluator
from components.data.evaluation_set import CLASSES, SHARDS, TEMPLATES, TYPE
from components.data.sources.catalogue import build_source
from components.data.sources.emoji_tones import EmojiTones
from components.evaluation.zero_shot import Join, Prompting, ZeroShot
from components.recipes.section import build
from flows.cli import _parser
from tests.benchmarks import mteb
from tests.benchmarks.clip_benchmark import THEIRS

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/evaluation.md").read_text()


def test_the_list_is_the_recipes():
    (block,) = re.findall(r"```yaml\n(evaluators:\n.*?)```", PAGE, re.S)
    recipe = yaml.safe_load((REPOSITORY / "components/recipes/clip.yaml").read_text())
    assert yaml.safe_load(block)["evaluators"] == recipe["evaluation"]["evaluators"]


def test_the_sets_that_are_listed_can_be_read_and_asked():
    blocks = re.findall(r"```yaml\n(overrides:\n.*?)```", PAGE, re.S)
    sets = {
        name: its for block in blocks for name, its in yaml.safe_load(block)["overrides"]["evaluation"]["sets"].items()
    }
    assert {"cifar10", "tones"} <= sets.keys()
    for its in sets.values():
        asked = build(its, AskedSet)
        assert all(build(described, Evaluator) for described in asked.evaluators)
    assert isinstance(build_source(sets["tones"]["source"]), EmojiTones)


def test_every_file_that_is_named_is_there():
    named = [name for name in re.findall(r"`((?:components|tests)/[\w./]+)`", PAGE)]
    assert len(named) >= 5
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


def test_every_metric_that_is_named_is_in_the_catalogue():
    catalogue = yaml.safe_load((REPOSITORY / "components/evaluation/catalogue.yaml").read_text())
    filled = {"<split>": "val", "<direction>": "image_to_text", "<k>": "1", "<label>": "category", "<set>": "digits"}
    filled |= {"<w>": "64", "<by>": "label", "<where>": "in_box", "<side>": "text", "<counted>": "flops"}
    filled |= {"<of>": "things", "<classes>": "category", "<error>": "ece"}
    filled |= {"<language>": "es", "<asked>": "text_to_image", "<change>": "swap", "<slice>": "flags"}
    named = re.findall(r"\| `([\w.]+<[^`]+)` \|", PAGE)
    whose = set()
    for name in named:
        for place, word in (filled | {"<statistic>": "modality_gap"}).items():
            name = name.replace(place, word)
        (owner,) = [one for one, row in catalogue.items() if any(re.fullmatch(known, name) for known in row["metrics"])]
        whose.add(owner)
    assert whose == set(catalogue)


def test_every_way_to_ask_is_explained():
    for way in (*get_args(Prompting), *get_args(Join)):
        assert f"`{way}`" in PAGE
    assert {"prompts", "join", "served", "top", "label"} <= set(inspect.signature(ZeroShot).parameters)


def test_the_table_of_unseen_designers_shows_what_was_measured():
    plain, lines = json.loads((REPOSITORY / "docs/benchmarks/unseen-designer.json").read_text())["runs"]
    for name, run in (("as they are", plain), ("some sketched, some outlined", lines)):
        for fold, found in run["folds"].items():
            recall, right = found["recall_at_1"], found["zero_shot_top1_by_sharpness"]
            shares = [recall["image_to_text"], recall["text_to_image"], right["1"], right["0.6"], right["0.3"]]
            assert f"| {name} | {fold} | {' | '.join(f'{share:.1%}' for share in shares)} |" in PAGE


def test_the_lines_that_were_measured_are_the_recipes():
    recipe = yaml.safe_load((REPOSITORY / "components/recipes/clip.yaml").read_text())
    plain, lines = json.loads((REPOSITORY / "docs/benchmarks/unseen-designer.json").read_text())["runs"]
    assert (plain["sketched"], plain["outlined"]) == (0, 0)
    assert {name: recipe["training"]["views"][name] for name in ("sketched", "outlined")} == {
        name: lines[name] for name in ("sketched", "outlined")
    }


def test_its_command_is_one():
    (line,) = re.findall(r"^\.venv/bin/diptych (evaluate .*)$", PAGE, re.M)
    parsed = _parser().parse_args(shlex.split(line))
    assert parsed.anywhere
    assert len(parsed.sets) == 2
    for name in (CLASSES, TEMPLATES, TYPE, SHARDS):
        assert name in PAGE


def test_the_tables_beside_clip_benchmark_show_what_was_measured():
    told = json.loads((REPOSITORY / "docs/benchmarks/clip-benchmark.json").read_text())
    assert set(told["numbers"]) == set(THEIRS)
    for name, its in told["numbers"].items():
        assert abs(its["ours"] - its["theirs"]) <= told["largest_difference"] <= 1e-6
        assert f"| `{name}` | `{THEIRS[name]}` | {its['ours']:.6f} | {its['theirs']:.6f} |" in PAGE
    for name, its in told["seconds"].items():
        work, times = told["cpu_s"][name], told["times_as_fast"][name]
        cells = [f"{its[side]} ({work[side]})" for side in ("ours", "theirs", "theirs, amp")]
        assert (
            f"| `{name}` | {' | '.join(cells)} | {times['theirs']['seconds']} ({times['theirs']['cpu_s']}) | {times['theirs, amp']['seconds']} |"
            in PAGE
        )
        assert min(times["theirs"].values()) >= 3, "by work and by the clock"
    slower = [name for name, times in told["times_as_fast"].items() if times["theirs, amp"]["seconds"] < 3]
    assert f"Beside amp, its default, {' and '.join(f'`{name}`' for name in slower)} is not" in PAGE
    (largest,) = [its for its in told["memory"]["ours"] if its["texts"] == 250_000]
    assert largest["pictures"] == 50_000
    assert largest["peak_gb"] < 2
    for whose, cases in {"ours": told["memory"]["ours"], "CLIP_benchmark": told["memory"]["theirs"]}.items():
        for its in cases:
            line = f"| {whose} | {its['pictures']:,} x {its['texts']:,} | {its['peak_gb']} GB | {its['cpu_s']} |"
            assert line in PAGE
    more, large = told["said, 4,000 pictures"], told["ViT-B-32"]
    for its in (told, more, large):
        assert f"`{its['command']}`" in PAGE
        assert f"commit `{its['commit']}`" in PAGE
    assert more["times_as_fast"]["said"]["theirs"]["cpu_s"] >= 3
    for where, name in ((more, "said"), (large, "kinds"), (large, "said")):
        its, times = where["seconds"][name], where["times_as_fast"][name]["theirs"]["seconds"]
        assert f"{its['ours']} s to {its['theirs']}, {times} times" in PAGE
    assert max(more["largest_difference"], large["largest_difference"]) <= 1e-6
    assert f"{told['memory']['theirs_matrices_gb_at_ours']} GB" in PAGE


def test_the_table_beside_mteb_shows_what_was_measured():
    told = json.loads((REPOSITORY / "docs/benchmarks/mteb.json").read_text())
    assert set(told["numbers"]) == set(mteb.THEIRS)
    for name, its in told["numbers"].items():
        task, key = mteb.THEIRS[name]
        assert abs(its["ours"] - its["theirs"]) <= told["largest_difference"] <= 1e-6
        assert f"| `{name}` | `{task}` `{key}` | {its['ours']:.6f} | {its['theirs']:.6f} |" in PAGE
    assert all(f"{its['ours']} to {its['theirs']}" in PAGE for its in told["cpu_s"].values())
    assert all(its["theirs"] / its["ours"] >= 3 for its in told["cpu_s"].values()), (
        "as often as fast as has to be shown"
    )
    assert f"mteb {told['versions']['mteb']}" in PAGE
