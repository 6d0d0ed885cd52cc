"""What a stage trains on: in the order that the recipe asks for, from a cache of decoded pictures of the workspace."""

import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.contracts.errors import ConfigError
from components.contracts.progress import silent
from components.data.batches import StepBatches
from components.data.rows.cache import MOST_BYTES
from components.data.transforms.preprocess import Preprocess
from components.recipes.recipe import load_recipe, load_scale
from components.stages.selected import row_cache, step_batches, watching
from components.stages.stage import Stage
from components.training.train import train
from tests.subjects import twelve

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def batches_of(tmp_path, squares, vocabulary):
    """Return a function that gives what the recipe `clip` at `debug` trains on, some numbers of its training overridden."""
    shutil.copytree(REPOSITORY / "components/recipes", tmp_path / "components/recipes")

    def made(**training: Any) -> StepBatches:
        params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
        params["overrides"]["training"] = training
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
        recipe, scale = load_recipe(tmp_path, "clip", "debug"), load_scale(tmp_path, "debug")
        stage = Stage(root=tmp_path, name="pretrain", recipe="clip", progress=silent)
        preprocess = Preprocess(size=scale.pixels)
        return step_batches(stage, squares, vocabulary, preprocess, recipe.training, batch=scale.batch, seed=0)

    return made


def test_a_recipe_trains_in_the_order_that_it_asks_for(batches_of, squares, clip, tmp_path):
    batches = batches_of(order={"class_path": "components.data.samplers.groups.Grouped"})
    source = dict(zip(squares.keys, squares.sources, strict=True))
    seen = [{source[key] for key in batches[step].keys} for step in range(batches.order.steps_per_epoch)]
    assert sorted(map(sorted, seen)) == [["size-12"]] * 2 + [["size-16"]] * 2
    scale, optimisation = load_scale(tmp_path, "debug"), load_recipe(tmp_path, "clip", "debug").training.optimisation
    trained = train(
        clip, batches, optimisation, scale, seed=0, folder=tmp_path, progress=silent, log=lambda step, values: None,
        watch=lambda model: {},
    )  # fmt: skip
    assert [row.split(",")[0] for row in trained.curves.splitlines()] == ["step", *map(str, range(1, scale.steps + 1))]


def test_without_a_word_no_concept_comes_twice_in_a_batch(batches_of):
    batches = batches_of()
    assert all(len(set(batches[step].ids["concept"].tolist())) == 16 for step in range(6))
    named = batches_of(order={"class_path": "components.data.samplers.distinct.Distinct"})
    assert [named.order.at(step) for step in range(6)] == [batches.order.at(step) for step in range(6)]


def test_an_order_that_does_not_fit_is_refused_before_anything_is_decoded(batches_of, tmp_path):
    with pytest.raises(ConfigError, match="by is 'colour'"):
        batches_of(order={"class_path": "components.data.samplers.groups.Grouped", "init_args": {"by": "colour"}})
    assert not list(tmp_path.glob(".diptych/cache/decoded/*"))


def test_the_scales_batch_is_cut_to_the_data_and_said(batches_of, tmp_path, capsys):
    debug = tmp_path / "components/recipes/scales/debug.yaml"
    assert batches_of().order.batch == 16
    debug.write_text(debug.read_text().replace("batch: 16", "batch: 64"))
    assert batches_of().order.batch == 25
    said = "25 different captions are trained on, so a step takes 25 pictures, not the 64 that the scale asks for\n"
    assert capsys.readouterr().out == said


def test_a_batch_that_was_asked_for_and_is_larger_than_the_data_is_refused_before_anything_is_decoded(
    batches_of, tmp_path
):
    said = (
        r"^params\.yaml, line \d+: batch is 64, but 50 pictures with 25 different captions are trained on.*"
        r"Set training\.batch to 25 or less, bring more data, or leave it out"
    )
    with pytest.raises(ConfigError, match=said):
        batches_of(batch=64)
    assert not list(tmp_path.glob(".diptych/cache/decoded/*"))
    assert batches_of(batch=25).order.batch == 25


def test_what_is_the_same_to_the_model_is_a_tie_while_it_is_watched(squares, clip):
    """A product's edge is summed in another order, on some processors, and nobody wins by that."""

    class Twins:
        preprocess = Preprocess(size=16)

        def pixels_embedded(self, pixels):
            return twelve(len(pixels))

        def texts(self, texts):
            return twelve(len(texts))

    watched = watching(Twins(), squares, silent)(clip)
    assert watched == {"val.image_to_text.recall_at_1": 0, "val.text_to_image.recall_at_1": 0}


def test_it_lies_in_the_private_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("DIPTYCH_DECODED_GB", raising=False)
    cache = row_cache(tmp_path)
    assert cache.folder == tmp_path / ".diptych/cache/decoded"
    assert cache.folder.is_dir()
    assert stat.S_IMODE((tmp_path / ".diptych").stat().st_mode) == 0o700
    assert cache.most_bytes == MOST_BYTES == 20_000_000_000


def test_how_much_it_may_hold_is_said_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("DIPTYCH_DECODED_GB", "0.5")
    assert row_cache(tmp_path).most_bytes == 500_000_000


@pytest.mark.parametrize("said", ["", "many", "0", "-3", "nan", "inf"])
def test_what_is_no_number_of_gb_is_refused(tmp_path, monkeypatch, said):
    monkeypatch.setenv("DIPTYCH_DECODED_GB", said)
    with pytest.raises(ConfigError, match=r"DIPTYCH_DECODED_GB is .*must be the GB"):
        row_cache(tmp_path)
