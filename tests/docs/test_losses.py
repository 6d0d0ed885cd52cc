"""docs/losses.md names the losses, files, recipes and ways to gather that there are."""

import inspect
import json
import math
import re
import shutil
from pathlib import Path
from typing import Any, get_args, get_type_hints

import torch
import yaml

from components.contracts.encoded import Tower
from components.contracts.method import Clock, Method
from components.methods.clip import Clip
from components.methods.clip_rocket import Extra
from components.objectives.multilabel_disjoint import Form
from components.objectives.signals.hard_negatives import HardNegatives
from components.recipes.recipe import load_recipe, load_scale, overlay
from components.recipes.section import build
from components.training.gather import GatherMode
from tests.golden.make_clip_debug import batches_at_debug, first_losses
from tests.squares import described_at_debug

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/losses.md").read_text()
CATALOGUE = yaml.safe_load((REPOSITORY / "components/objectives/catalogue.yaml").read_text())


def last(row: dict[str, Any]) -> str:
    return row["class_path"].rpartition(".")[2]


def test_every_loss_has_its_row_and_its_recipe_uses_it():
    rows = re.findall(r"^\| `(\w+)` \| `components/objectives/(\w+)\.py` \| `(\w+)` \| (\S+) \|$", PAGE, re.M)
    assert {file: (loss, peer) for loss, file, _, peer in rows} == {
        name: (last(row), row["golden"]["peer"])
        for name, row in CATALOGUE.items()
        if not {"around", "between"} & set(row)
    }
    for _, file, recipe, _ in rows:
        method = yaml.safe_load((REPOSITORY / f"components/recipes/{recipe}.yaml").read_text())["method"]
        assert method["init_args"]["objective"]["class_path"] == CATALOGUE[file]["class_path"]


def test_every_loss_between_views_has_its_row():
    rows = re.findall(
        r"^\| `(\w+)` \| `extra: \{kind: (\w+)\}` \| `components/objectives/(\w+)\.py` \| (\S+) \|$", PAGE, re.M
    )
    assert {file: (loss, peer) for loss, _, file, peer in rows} == {
        name: (last(row), row["golden"]["peer"]) for name, row in CATALOGUE.items() if row.get("between") == "views"
    }
    kinds = get_args(get_type_hints(Extra)["kind"])
    assert {kind for _, kind, _, _ in rows} <= set(kinds)
    assert [kind for kind in kinds if f"`{kind}`" not in PAGE and f"kind: {kind}}}" not in PAGE] == []


def test_every_loss_between_pictures_and_clusters_has_its_row():
    rows = re.findall(r"^\| `(\w+)` \| `form: (\w+)` \| `components/objectives/(\w+)\.py` \| (\S+) \|$", PAGE, re.M)
    assert {file: (loss, peer) for loss, _, file, peer in rows} == {
        name: (last(row), row["golden"]["peer"]) for name, row in CATALOGUE.items() if row.get("between") == "clusters"
    }
    assert {form for _, form, _, _ in rows} <= set(get_args(Form))


def test_every_loss_of_a_student_has_its_row_and_its_recipe_a_weight_for_it():
    rows = re.findall(
        r"^\| `(\w+)` \| `(\w+)`, `distil: \{weight: 1\}` \| `components/objectives/(\w+)\.py` \| (\S+) \|$", PAGE, re.M
    )
    assert {file: (loss, peer) for loss, _, file, peer in rows} == {
        name: (last(row), row["golden"]["peer"]) for name, row in CATALOGUE.items() if row.get("between") == "pupils"
    }
    for _, recipe, _, _ in rows:
        described = yaml.safe_load((REPOSITORY / f"components/recipes/{recipe}.yaml").read_text())["method"]
        assert described["init_args"]["distil"].get("weight", 1) == 1


def test_every_wrapper_has_its_row():
    rows = re.findall(r"^\| `(\w+)` \| `components/objectives/(\w+)\.py` \| ([\w. ]+) \|$", PAGE, re.M)
    assert {file: (loss, peer) for loss, file, peer in rows} == {
        name: (last(row), row["golden"]["peer"]) for name, row in CATALOGUE.items() if "around" in row
    }


def test_every_signal_has_its_row():
    signals = yaml.safe_load((REPOSITORY / "components/objectives/signals/catalogue.yaml").read_text())
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| `components/objectives/signals/(\w+)\.py` \|$", PAGE, re.M)
    assert {file: (name, gives) for name, gives, file in rows} == {
        name: (last(row), row["gives"]) for name, row in signals.items()
    }


def test_every_bar_of_mining_is_told_of():
    told = PAGE.partition("| `HardNegatives` | leaves out")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", told, re.M)) == set(inspect.signature(HardNegatives).parameters)


def test_what_is_shown_of_a_recipe_can_be_built(vocabulary):
    for shown in re.findall(r"```yaml\n(method:.*?)```", PAGE, re.S):
        method = yaml.safe_load(shown)["method"]
        model = described_at_debug(vocabulary)
        built = build({**method, "init_args": {**method["init_args"], "model": model}}, Clip)
        batch = batches_at_debug(vocabulary)[0]
        assert built.losses(batch, Clock(step=0, total_steps=2, epoch=0)).terms["contrast"] > 0


def test_the_instructed_model_that_is_shown_trains_and_its_prior_is_the_tower_of_clip(vocabulary, tmp_path):
    (shown,) = re.findall(r"```yaml\n(model:.*?)```", PAGE, re.S)
    model, debug = yaml.safe_load(shown)["model"], load_recipe(REPOSITORY, "clip", "debug").model["init_args"]
    tower = {"init_args": {"net_args": {"img_size": 32, "embed_dim": 32, "num_heads": 2}}}
    sizes = {"image": {"init_args": {"tower": tower, "prior": debug["image"]}}, "text": {"init_args": {"width": 32}}}
    recipe = yaml.safe_load((REPOSITORY / "components/recipes/priorclip.yaml").read_text())
    recipe |= {"model": model, "sizes": {"debug": {"init_args": {"width": 32, **sizes}}, "laptop": {}}}
    shutil.copytree(REPOSITORY / "components/recipes", tmp_path / "components/recipes")
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    (tmp_path / "components/recipes/instructed.yaml").write_text(yaml.safe_dump(recipe))

    loaded = load_recipe(tmp_path, "instructed", "debug")
    sized = {"text": {"init_args": {"vocabulary": len(vocabulary), "context": vocabulary.context}}}
    torch.manual_seed(0)
    method = build(
        overlay(loaded.method, {"init_args": {"model": overlay(loaded.model, {"init_args": sized})}}), Method
    )
    before = {name: weight.clone() for name, weight in method.named_parameters()}
    losses = first_losses(method, vocabulary, name="priorclip")
    assert len(losses) == 2
    assert all(math.isfinite(loss) for loss in losses)
    moved = {name for name, weight in method.named_parameters() if not torch.equal(weight, before[name])}
    assert set(before) - moved == {name for name in before if name.startswith("model.image.prior.")}

    shown_px = model["init_args"]["image"]["init_args"]["tower"]["init_args"]["net_args"]["img_size"]
    assert shown_px == load_scale(REPOSITORY, "laptop").pixels
    ours, clips = load_recipe(tmp_path, "instructed", "laptop").model, load_recipe(REPOSITORY, "clip", "laptop").model
    with torch.device("meta"):
        prior, start = (
            build(described, Tower).state_dict()
            for described in (ours["init_args"]["image"]["init_args"]["prior"], clips["init_args"]["image"])
        )
    assert {name: weight.shape for name, weight in prior.items()} == {
        name: weight.shape for name, weight in start.items()
    }


def test_every_way_to_gather_is_told_of():
    told = PAGE.partition("## Over ranks")[2].partition("## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", told, re.M)) == set(get_args(GatherMode))


def test_every_file_that_is_named_is_there():
    named = re.findall(r"`((?:components|tests)/[\w./]+)`", PAGE)
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


def test_the_numbers_are_those_that_were_measured():
    kept = json.loads((REPOSITORY / "docs/benchmarks/contrast.json").read_text())["cases"]
    said = re.findall(r"^\| `(\w+)Loss` \| ([\d.]+) GB \| (\d+) s \|", PAGE, re.M)
    assert {name.lower(): (peak, cpu) for name, peak, cpu in said} == {
        name: (f"{one['peak_gb']:.2f}", f"{one['cpu_s']:.0f}") for name, one in kept.items()
    }
    assert all(one["peak_gb"] < 1.5 for one in kept.values())


def test_what_is_kept_of_cut_embeddings_is_what_was_measured():
    said = json.loads((REPOSITORY / "docs/benchmarks/matryoshka.json").read_text())
    assert f"`{said['command']}`" in PAGE
    for name, side in (("as it stands", said["plain"][0]), ("within `Matryoshka`", said["matryoshka"][0])):
        whole, *shorter = side["mean"]
        kept = " | ".join(f"{side['mean'][width]:.1%} ({side['kept'][width]:.1%})" for width in shorter)
        assert f"| {name} | {side['mean'][whole]:.1%} | {kept} |" in PAGE
    ours, plain = said["matryoshka"][0], said["plain"][0]
    assert ours["kept"]["64"] >= 0.98 > plain["kept"]["64"]
    assert ours["mean"]["64"] < plain["mean"]["64"]  # as the page says
    assert ours["mean"]["32"] > plain["mean"]["32"]


def test_what_is_told_of_masked_words_is_what_was_measured():
    said = json.loads((REPOSITORY / "docs/benchmarks/masked-words.json").read_text())
    fused, blind = said["arms"]["lightclip"], said["arms"]["blind"]
    told = f"Of {fused['colours']} words of colour in captions of held-out scenes, hidden one at a time, {fused['colours_right']:.1%} are said right"
    assert told in PAGE
    assert f"and {blind['colours_right']:.1%} by" in PAGE
    assert f"--arms {' '.join(said['arms'])}" in PAGE
    assert fused["colours_right"] >= blind["colours_right"] + 0.2  # as seed 52 asks


def test_what_few_tokens_save_is_what_was_measured():
    said = json.loads((REPOSITORY / "docs/benchmarks/reduced-tokens.json").read_text())
    assert f"backward of {said['pairs']} pairs" in PAGE
    for one in said["cases"].values():
        told = re.search(
            rf"^\| {one['tokens']} made {one['left']}, as for \S+ \| ([\d.]+) times.* \| ([\d.]+) times \|$", PAGE, re.M
        )
        assert told
        assert (float(told[1]), float(told[2])) == (one["scores"]["ratio"], one["step"]["ratio"])
        assert one["scores"]["least"] >= 3  # as seed 25 asks of the similarity step
