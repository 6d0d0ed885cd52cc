"""What every fine-tuning strategy must do, whichever it is: each row of components/finetuning/catalogue.yaml is held to it."""

import copy
import importlib
import inspect
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch.nn.functional import normalize

from components.contracts.batch import Images
from components.contracts.errors import CapabilityError, ConfigError, Interrupted
from components.contracts.progress import silent
from components.data.batches import StepBatches
from components.data.rows.decoded import decode_pairs
from components.data.samplers.distinct import DistinctBatches
from components.data.transforms.preprocess import Preprocess
from components.data.transforms.views import Views
from components.evaluation.embedding import Embedder
from components.finetuning.strategy import Strategy
from components.finetuning.tune import Tuned, tune, tuned_scale
from components.methods.clip import Clip
from components.methods.clip_rocket import ClipRocket, Extra, Local
from components.models.grown import begun, shrink
from components.models.interop.layout import towers_of
from components.recipes.recipe import load_recipe
from components.recipes.section import build
from components.recipes.trained import load_trained, save_trained
from components.recipes.yaml_lines import overlay
from components.serving.export import export
from components.stages.selected import watching
from components.training.numbers import Optimisation, Scale
from tests.squares import described_at_debug

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "components" / "finetuning"
CATALOGUE: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "catalogue.yaml").read_text())
SCALE = Scale(batch=8, steps=12, pixels=32, precision="fp32", watch_every=4, checkpoint_every=2, curve_every=1)
VIT = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 2}
FAST = {"optimizer": "adamw", "lr": 0.01, "weight_decay": 0.1}


@pytest.fixture(params=sorted(CATALOGUE))
def row(request) -> dict[str, Any]:
    return CATALOGUE[request.param]


@pytest.fixture
def clip(row, vocabulary) -> Clip:
    """The recipe `clip` at `debug`; with a small vision transformer for a strategy that needs one."""
    described = described_at_debug(vocabulary)
    if "net" in row:
        image = {
            "class_path": described["init_args"]["image"]["class_path"],
            "init_args": {"net": row["net"], "net_args": VIT},
        }
        described = {**described, "init_args": {**described["init_args"], "image": image}}
    method = load_recipe(REPOSITORY, "clip", "debug").method
    torch.manual_seed(0)
    built = build(overlay(method, {"init_args": {"model": described}}), Clip)
    return built


def strategy(row: dict[str, Any], **given: Any) -> Strategy:
    """Build a row with the contract's own arguments: half of the steps, fast."""
    ours = {"share": 0.5, "optimisation": FAST, **given}
    return build({"class_path": row["class_path"], "init_args": {**row["init_args"], **ours}}, Strategy)


@pytest.fixture
def batches(squares, vocabulary) -> StepBatches:
    pairs = decode_pairs(squares, Preprocess(size=40), silent)
    return StepBatches(pairs, vocabulary, Views(pixels=32), DistinctBatches(pairs.concepts, 8, seed=3), seed=3)


@pytest.fixture
def go(squares, vocabulary, batches, tmp_path):
    """Return a function that tunes a method, and may be stopped at a step."""
    preprocess = Preprocess(size=32)

    def run(method: Clip, strategy: Strategy, folder: str = "run", stop_at: tuple[str, int] | None = None) -> Tuned:
        def progress(doing: str, done: int, total: int, **seen: float) -> None:
            if (doing, done) == stop_at:
                raise Interrupted("stopped by the test")

        (tmp_path / folder).mkdir(exist_ok=True)
        return tune(
            method, strategy, batches, SCALE, seed=3, folder=tmp_path / folder, progress=progress,
            log=lambda step, values: None, watch=watching(Embedder(method.model, vocabulary, preprocess), squares, silent),
        )  # fmt: skip

    return run


def state(method: Clip) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in method.model.state_dict().items()}


def differing(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> set[str]:
    assert one.keys() == other.keys()
    return {name for name, value in one.items() if not torch.equal(value, other[name])}


adding = pytest.mark.parametrize("row", [name for name, row in CATALOGUE.items() if "adds" in row], indirect=True)


def without_added(
    row: dict[str, Any], of: dict[str, torch.Tensor], before: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Leave out what a strategy whose row says so has added; others add nothing."""
    assert (of.keys() > before.keys()) if "adds" in row else (of.keys() == before.keys())
    return {name: value for name, value in of.items() if name in before}


def test_all_strategies_have_a_row_and_every_row_its_file():
    own = {
        "best",
        "strategy",
        "freeze",
        "grafted",
        "interpolate",
        "ensemble",
        "race",
        "raced",
        "recall",
        "augment",
        "soup",
        "tune",
        "__init__",
    }
    assert {path.stem for path in FOLDER.glob("*.py")} - own == set(CATALOGUE)
    for name, row in CATALOGUE.items():
        assert row["class_path"].startswith(f"components.finetuning.{name}.")
        module = row["class_path"].rpartition(".")[0]
        first = re.search(r"arXiv:\d{4}\.\d{5}", row["paper"])
        assert first
        assert first[0] in inspect.getdoc(importlib.import_module(module))


def test_it_builds_with_nothing_but_its_name(row):
    built = build({"class_path": row["class_path"]}, Strategy)
    assert built.share > 0
    assert isinstance(built.optimisation, Optimisation)
    assert {0.0, 1.0} <= set(built.alphas)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"share": 0.0}, "share is 0.0"), ({"share": -1.0}, "share is"), ({"alphas": []}, "alphas are"),
        ({"alphas": [0.5, 1.5]}, "alphas are"), ({"alphas": [float("nan")]}, "alphas are"),
    ],
)  # fmt: skip
def test_a_number_that_makes_no_sense_is_refused_when_it_is_built(row, given, says):
    with pytest.raises(ConfigError, match=says):
        strategy(row, **given)


def test_it_trains_something_and_leaves_something(row, clip):
    freeze = strategy(row).prepare(clip.model)
    freeze.apply()
    assert freeze.frozen()
    assert any(parameter.requires_grad for parameter in clip.model.parameters())


def test_at_alpha_0_the_model_is_the_pre_trained_one_to_the_last_bit(row, go, clip):
    before = state(clip)
    tuned = go(clip, strategy(row, alphas=[0.0]))
    assert differing(state(clip), before) == set()
    assert tuned.ensembled.alpha == 0.0


def test_at_alpha_1_what_stays_is_the_same_to_the_last_bit_and_the_rest_has_learnt(row, go, clip):
    before, whole = state(clip), copy.deepcopy(clip)
    freeze = strategy(row).prepare(whole.model)
    frozen, stays = (
        freeze.digest(),
        {name: its for name, its in freeze.digests().items() if not freeze.may_differ(name)},
    )
    tuned = go(clip, strategy(row, alphas=[1.0]))
    changed = differing(without_added(row, state(clip), before), before)
    assert changed
    assert all(freeze.may_differ(name) for name in changed)
    trained = {name for name in state(clip) if freeze.is_trained(name)}
    assert (trained & before.keys()) >= {"logit_scale.log_scale"}
    assert tuned.frozen_digest == frozen
    again = strategy(row).prepare(clip.model).digests()
    assert {name: again[name] for name in stays} == stays
    assert stays
    assert all(torch.isfinite(value).all() for value in state(clip).values())


def test_between_the_ends_lies_the_mean_of_both(row, go, clip):
    before, whole = state(clip), copy.deepcopy(clip)
    go(whole, strategy(row, alphas=[1.0]))
    go(clip, strategy(row, alphas=[0.5]), "half")
    before = begun(before, state(whole))
    for name, value in state(clip).items():
        if value.is_floating_point():
            torch.testing.assert_close(value, (before[name] + state(whole)[name]) / 2)
    added = {name for name in state(clip) if name not in state(copy.deepcopy(whole)) or name.endswith(".ratio")}
    assert bool(added) == ("adds" in row)


@adding
def test_what_is_added_counts_for_nothing_at_ratio_0_and_is_read_back_as_it_was_written(
    row, go, clip, vocabulary, tmp_path
):
    before, described = copy.deepcopy(clip.model).eval(), described_at_debug(vocabulary)
    described["init_args"]["image"] = {
        "class_path": "components.models.towers.image.ImageTower",
        "init_args": {"net": before.image.name, "net_args": before.image.net_args},
    }
    go(clip, strategy(row, alphas=[1.0]))
    tuned, images = (
        clip.model.eval(),
        Images(pixels=torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))),
    )
    with torch.no_grad():
        wanted = tuned.encode_image(images).pooled
        (tmp_path / "kept").mkdir()
        save_trained(tmp_path / "kept", tuned, described, vocabulary, Preprocess(size=32))
        read = load_trained(tmp_path / "kept").model
        assert differing(read.state_dict(), tuned.state_dict()) == set()
        torch.testing.assert_close(read.encode_image(images).pooled, wanted)
        tuned.load_state_dict(begun(before.state_dict(), tuned.state_dict()))
        at_nought, start = tuned.encode_image(images).pooled, before.encode_image(images).pooled
        torch.testing.assert_close(at_nought, start)
        assert not torch.allclose(normalize(wanted, dim=-1), normalize(start, dim=-1), atol=1e-4), (
            "it has learnt something"
        )
        shrink(tuned, before.state_dict())
        assert differing(tuned.state_dict(), before.state_dict()) == set()
        torch.testing.assert_close(tuned.encode_image(images).pooled, start)


@adding
def test_what_was_added_before_is_trained_on_and_stays_at_alpha_0(row, go, clip):
    go(clip, strategy(row, alphas=[1.0]))
    once = state(clip)
    go(clip, strategy(row, alphas=[0.0]), "again")
    assert differing(state(clip), once) == set()


@adding
def test_what_is_added_is_exported_with_the_towers(row, go, clip, vocabulary, squares, tmp_path):
    go(clip, strategy(row, alphas=[0.5]))
    embedder = Embedder(clip.model, vocabulary, Preprocess(size=32))
    furthest = export(
        clip.model,
        tmp_path,
        embedder.pixels(squares.pictures[:4]),
        vocabulary(["a red square", "a black square"]),
        18,
        1e-4,
    )
    assert max(furthest.values()) < 1e-4
    with pytest.raises(CapabilityError, match="no place for what tuning added"):
        towers_of(clip.model, "open_clip")


@pytest.mark.parametrize(
    ("stop_at", "goes_on_at"), [(("training", 1), 1), (("training", 5), 5), (("choosing alpha", 3), 4)]
)
def test_a_tuning_cut_off_anywhere_ends_with_the_same_weights_and_curves(row, go, clip, stop_at, goes_on_at):
    started, again = copy.deepcopy(clip), copy.deepcopy(clip)
    whole = go(clip, strategy(row))
    with pytest.raises(Interrupted):
        go(started, strategy(row), "cut", stop_at)
    resumed = go(again, strategy(row), "cut")
    assert resumed.trained.resumed_at == goes_on_at  # a step of training is saved before it stops
    assert resumed.trained.curves == whole.trained.curves
    assert resumed.ensembled == whole.ensembled
    assert differing(state(again), state(clip)) == set()


def test_what_is_tried_is_what_the_watch_says_at_both_ends(row, go, clip, squares, vocabulary):
    watch = watching(Embedder(clip.model, vocabulary, Preprocess(size=32)), squares, silent)
    before = watch(clip.model)
    tuned = go(clip, strategy(row, alphas=[1.0]))
    assert tuned.ensembled.tried[0.0] == before
    assert tuned.ensembled.tried[1.0] == watch(clip.model)


def test_a_teacher_that_follows_does_so_or_is_refused_in_words_before_any_step(row, go, clip):
    rocket = ClipRocket(clip.model, local=Local(hidden=2), extra=Extra(kind="byol", hidden=6, width=4, momentum=0.5))
    teacher, model = copy.deepcopy(rocket.teacher), copy.deepcopy(clip.model)
    strategy(row).prepare(model)
    if model.state_dict().keys() != clip.model.state_dict().keys():
        with pytest.raises(CapabilityError, match=r"weights that its teacher has not, such as .*LastLayers"):
            go(rocket, strategy(row), "run", ("training", 1))
        with pytest.raises(CapabilityError, match="weights that its teacher has not"):
            teacher.take(model)
        return
    go(rocket, strategy(row, alphas=[1.0]))
    taught = dict(rocket.teacher.model.named_parameters())
    moved = {name for name, value in teacher.model.named_parameters() if not torch.equal(value, taught[name])}
    frozen = strategy(row).prepare(clip.model).frozen()
    assert moved == set(taught) - set(frozen)


def test_a_look_on_the_way_leaves_what_is_frozen_in_evaluation_mode(row, go, clip):
    """The loop looks at the validation split at steps 2, 4 and 6; running statistics would move after the first look."""
    assert tuned_scale(SCALE, 0.5) == replace(SCALE, steps=6, watch_every=2)
    before = {name: value.clone() for name, value in clip.model.image.net.named_buffers()}
    go(clip, strategy(row, alphas=[1.0]))
    assert all(torch.equal(value, before[name]) for name, value in clip.model.image.net.named_buffers())


@pytest.mark.parametrize(("share", "steps", "watch_every"), [(0.25, 3, 1), (1.0, 12, 4), (2.0, 24, 8), (0.01, 1, 1)])
def test_a_share_of_the_scale_has_a_step_and_a_look_at_least(share, steps, watch_every):
    part = tuned_scale(SCALE, share)
    assert (part.steps, part.watch_every) == (steps, watch_every)
    assert (part.batch, part.pixels, part.checkpoint_every) == (SCALE.batch, SCALE.pixels, SCALE.checkpoint_every)
