"""Whatever is wrong in a recipe, a scale or params.yaml is said with its file, its line and what was meant."""

import importlib
import re
import shutil
from pathlib import Path

import pytest
import torch

from components.contracts.batch import Images
from components.contracts.errors import ConfigError
from components.contracts.method import Clock, Method
from components.recipes.params import load_params
from components.recipes.recipe import (
    SECTIONS,
    load_curation,
    load_finetuning,
    load_recipe,
    load_scale,
    overlay,
)
from components.recipes.section import build
from components.training.grad_cache import GradCache
from components.training.recompute import blocks_of
from components.training.sharding import Sharding
from tests.golden.make_clip_debug import batches_at_debug
from tests.squares import square_pool

REPOSITORY = Path(__file__).parents[3]
RECIPES = sorted(path.stem for path in (REPOSITORY / "components/recipes").glob("*.yaml"))
DRAWN = [name for name in RECIPES if not load_recipe(REPOSITORY, name, "debug").training.as_begun]
SCALES = sorted(path.stem for path in (REPOSITORY / "components/recipes/scales").glob("*.yaml"))


class Workspace:
    """A copy of the recipes and params.yaml, to break."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(REPOSITORY / "components/recipes", root / "components/recipes")
        shutil.copy(REPOSITORY / "params.yaml", root)

    def change(self, file: str, pattern: str, by: str) -> int:
        """Replace the first match, and return the line in which it began."""
        path = self.root / file
        text = path.read_text()
        found = re.search(pattern, text)
        assert found, f"{file} has no {pattern!r} any more: change the test with it"
        path.write_text(text[: found.start()] + found.expand(by) + text[found.end() :])
        return text[: found.start()].count("\n") + 1

    def section(self, name: str, by: str) -> None:
        """Replace a whole section of the recipe."""
        self.change(CLIP, rf"(?ms)^{name}:.*?(?=^\w|\Z)", by)


CLIP, DEBUG, PARAMS = "components/recipes/clip.yaml", "components/recipes/scales/debug.yaml", "params.yaml"


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path)


@pytest.mark.parametrize("scale", ["debug", "laptop"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_builds_and_takes_a_step_at_a_scale_for_a_cpu(recipe, scale, vocabulary):
    loaded = load_recipe(REPOSITORY, recipe, scale)
    sized = {"init_args": {"text": {"init_args": {"vocabulary": len(vocabulary), "context": vocabulary.context}}}}
    torch.manual_seed(0)
    method = build(overlay(loaded.method, {"init_args": {"model": overlay(loaded.model, sized)}}), Method)
    kinds = tuple(sorted({kind for pick in loaded.training.texts.values() for kind in pick.kinds}))
    batch = batches_at_debug(vocabulary, recipe, square_pool(kinds or ("short",)))[0]
    losses = method.losses(batch, Clock(step=0, total_steps=2, epoch=0))
    assert losses.terms
    assert all(torch.isfinite(term) and term.shape == () for term in losses.terms.values())


# Parameters in millions: of the picture tower as timm's card has them, of the text tower 12 x width² a block, without the table of
# tokens.
KNOWN = {
    ("clip", "small"): (21.7, 21.3), ("clip", "base"): (86.2, 37.8), ("clip", "large"): (304.0, 85.1),
    ("growclip", "small"): (21.7, 21.3), ("growclip", "base"): (86.2, 85.1), ("growclip", "large"): (304.0, 151.2),
    ("siglip", "small"): (21.7, 21.3), ("siglip", "base"): (92.9, 85.1), ("siglip", "large"): (316.0, 302.3),
}  # fmt: skip
KNOWN |= {
    (same, scale): KNOWN["clip", scale]
    for same in ("alip", "clip_refine", "clip_rocket", "dreamlip", "filip", "mlcd", "rs_m_clip", "wit", "wukong")
    for scale in ("small", "base", "large")
}
KNOWN |= {("conceptclip", scale): KNOWN["siglip", scale] for scale in ("small", "base", "large")}
KNOWN |= {  # eight blocks of text in place of twelve
    ("lightclip", scale): (KNOWN["clip", scale][0], round(KNOWN["clip", scale][1] * 8 / 12, 1))
    for scale in ("small", "base", "large")
}
# Of priorclip twice the picture tower, and each block of width W that is put behind has 8 W² + 15 W: two a round, and three maps more.
KNOWN |= {
    ("priorclip", "small"): (48.7, 29.0), ("priorclip", "base"): (193.7, 51.5), ("priorclip", "large"): (645.8, 115.8),
}  # fmt: skip


@pytest.mark.parametrize("scale", ["small", "base", "large"])
@pytest.mark.parametrize("recipe", DRAWN)
def test_every_recipe_builds_at_every_larger_scale_with_the_parameters_it_should_have(recipe, scale):
    """Without memory for them: on the meta device."""
    loaded = load_recipe(REPOSITORY, recipe, scale)
    sized = {"init_args": {"text": {"init_args": {"vocabulary": 49408, "context": 77}}}}
    with torch.device("meta"):
        method = build(overlay(loaded.method, {"init_args": {"model": overlay(loaded.model, sized)}}), Method)
        numbers = load_scale(REPOSITORY, scale)
        seen = method.model.image(Images(pixels=torch.empty(2, 3, numbers.pixels, numbers.pixels)))
    assert seen.features.shape == (2, method.model.image.width)
    towers = (method.model.image, method.model.text)
    counts = [sum(weight.numel() for weight in tower.parameters()) / 1e6 for tower in towers]
    counts[1] -= method.model.text.embedding.weight.numel() / 1e6
    assert counts == pytest.approx(KNOWN[recipe, scale], rel=0.01)
    if numbers.recompute:
        assert blocks_of(method.model)
    if numbers.shard:
        Sharding(method)
    if numbers.micro_batch:
        GradCache(method.model, numbers.micro_batch)


def test_the_larger_scales_have_the_samples_they_are_named_after():
    samples = {name: load_scale(REPOSITORY, name) for name in ("small", "base", "large")}
    assert {name: round(one.batch * one.steps / 1e6, 1) for name, one in samples.items()} == {
        "small": 12.8, "base": 1280.0, "large": 12800.0,
    }  # fmt: skip


@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_loads_and_every_recipe_has_a_size_for_it(scale):
    assert load_scale(REPOSITORY, scale).steps > 0
    for recipe in RECIPES:
        assert load_recipe(REPOSITORY, recipe, scale).name == recipe


def test_the_chosen_recipes_and_scale_are_there():
    params = load_params(REPOSITORY)
    assert set(params.recipes) <= set(RECIPES)
    assert params.scale in SCALES


def test_the_sizes_of_a_scale_lie_over_the_model(workspace):
    model = load_recipe(workspace.root, "clip", "debug").model["init_args"]
    assert (model["width"], model["text"]["init_args"]["width"]) == (32, 32)
    assert model["text"]["init_args"]["pool"] == "mean"  # what the size leaves alone stays
    assert model["image"]["class_path"] == "components.models.towers.image.ImageTower"


def test_an_overlay_changes_neither_side():
    below, above = {"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 9}, "d": {"e": 4}}
    assert overlay(below, above) == {"a": {"b": 9, "c": 2}, "d": {"e": 4}}
    assert (below, above) == ({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 9}, "d": {"e": 4}})


# A key that nothing takes: file, where, what stands there instead, what is meant, and who does not take it.
UNKNOWN = {
    "section": (CLIP, r"evaluation:", "evalution:", "evaluation", "a recipe"),
    "key of a section": (CLIP, r"vocabulary:", "vocabluary:", "vocabulary", "the section 'training'"),
    "key of a section in a section": (CLIP, r"\blr:", "lrr:", "lr", "the section 'training.optimisation'"),
    "argument of the model": (CLIP, r"width: 128\n    image", "widht: 128\n    image", "width", "DualEncoder"),
    "argument of a part": (CLIP, r"temperature:", "temprature:", "temperature", "LogitScale"),
    "argument of the method": (CLIP, r"objective:", "objectiv:", "objective", "Clip"),
    "argument of a view": (CLIP, r"degrees:", "degress:", "degrees", "Views"),
    "argument in a size": (CLIP, r"(?<=width: 32, )depth:", "dpeth:", "depth", "TextTower"),
    "part in a size": (CLIP, r"text: (\{init_args: \{width: 32)", r"txet: \1", "text", "DualEncoder"),
    "scale": (DEBUG, r"steps:", "stpes:", "steps", "the file"),
    "params": (PARAMS, r"seed:", "sede:", "seed", "the file"),
    "params, a section": (PARAMS, r"max_broken:", "max_brokn:", "max_broken", "the section 'gates'"),
    "section in overrides": (PARAMS, r"(?<=\n  )training: ", "trainin: ", "training", "overrides"),
    "number of a scale in overrides": (PARAMS, r"(?<=\n  training: \{)", "step: 5", "steps", "training"),
    "number of a recipe in overrides": (
        PARAMS,
        r"(?<=  evaluation: \{)",
        "btch: 5",
        "batch",
        "the section 'evaluation'",
    ),
}


# What an override changes: text in params.yaml, and what is then read.
OVERRIDES = {
    "number of a scale": ("training", "{steps: 3}", lambda recipe, scale: (scale.steps, scale.batch), (3, 16)),
    "number of a recipe": (
        "training",
        "{vocabulary: 99}",
        lambda recipe, scale: (recipe.training.vocabulary, scale.steps),
        (99, 8),
    ),
    "deep in a section": (
        "training",
        "{optimisation: {lr: 0.5}}",
        lambda recipe, scale: (recipe.training.optimisation.lr, recipe.training.optimisation.optimizer),
        (0.5, "muon"),
    ),
    "over the size of a scale": (
        "model",
        "{init_args: {width: 7}}",
        lambda recipe, scale: recipe.model["init_args"]["width"],
        7,
    ),
    "a null section": ("finetuning", "{class_path: x}", lambda recipe, scale: recipe.finetuning, {"class_path": "x"}),
}


def load_all(root: Path) -> None:
    """Read all that a person writes."""
    load_params(root)
    load_scale(root, "debug")
    load_recipe(root, "clip", "debug")


def test_what_is_not_broken_loads(workspace):
    load_all(workspace.root)


@pytest.mark.parametrize("override", OVERRIDES)
def test_overrides_stand_in_place_of_the_numbers_they_name_and_of_no_other(override, workspace):
    section, text, read, wanted = OVERRIDES[override]
    workspace.change(PARAMS, rf"  {section}: \{{\}}", f"  {section}: {text}")
    assert read(load_recipe(workspace.root, "clip", "debug"), load_scale(workspace.root, "debug")) == wanted


def test_a_wrong_override_is_said_with_its_line_in_params_yaml(workspace):
    line = workspace.change(PARAMS, r"  training: \{\}", "  training: {vocabulary: many}")
    with pytest.raises(ConfigError, match=rf"params\.yaml, line {line}: .*vocabulary"):
        load_recipe(workspace.root, "clip", "debug")


def test_an_argument_that_an_override_invents_is_said_with_its_line_in_params_yaml(workspace):
    line = workspace.change(PARAMS, r"  model: \{\}", "  model: {init_args: {widht: 5}}")
    with pytest.raises(
        ConfigError, match=rf"params\.yaml, line {line}: DualEncoder takes no 'widht'.* Did you mean width"
    ):
        load_recipe(workspace.root, "clip", "debug")


def test_overrides_of_a_section_are_names_with_values(workspace):
    workspace.change(PARAMS, r"  training: \{\}", "  training: 500")
    with pytest.raises(
        ConfigError, match=r"params\.yaml, line \d+: overrides.training is 500, but must be names with values"
    ):
        load_recipe(workspace.root, "clip", "debug")


@pytest.mark.parametrize("case", UNKNOWN)
def test_an_unknown_key_is_named_with_file_line_and_what_was_meant(case, workspace):
    file, pattern, by, meant, owner = UNKNOWN[case]
    line = workspace.change(file, pattern, by)
    wrong = re.match(r"\w+", by)[0]
    where = re.escape(f"{Path(file).name}, line {line}: {owner} takes no '{wrong}'")
    with pytest.raises(ConfigError, match=rf"^{where}.*Did you mean {meant}\?"):
        load_all(workspace.root)


def test_the_line_is_that_of_the_size_even_where_the_model_has_the_key_too(workspace):
    workspace.change(CLIP, r"\{causal: false, pool: mean\}", "{causal: false, pool: mean, dept: 3}")
    line = workspace.change(CLIP, r"(?<=width: 32, )depth:", "dept:")
    with pytest.raises(ConfigError, match=f"clip.yaml, line {line}: TextTower takes no 'dept'"):
        load_recipe(workspace.root, "clip", "debug")


@pytest.mark.parametrize(
    ("file", "pattern", "by", "key"),
    [
        (CLIP, r"  year: \d+\n", r"\g<0>  year: 1999\n", "year"),
        (CLIP, r"most: 100.0", r"most: 100.0, most: 50.0", "most"),
        (CLIP, r"(?m)^serving:", "evaluation: {}\n\nserving:", "evaluation"),
        (CLIP, r"(?m)^finetuning: null", "finetuning:\n  - {rank: 4, rank: 8}", "rank"),
        (DEBUG, r"batch: \d+\n", r"\g<0>batch: 8\n", "batch"),
        (PARAMS, r"seed: \d+\n", r"\g<0>seed: 1\n", "seed"),
    ],
)
def test_a_key_that_is_said_twice_is_refused_with_both_lines(file, pattern, by, key, workspace):
    workspace.change(file, pattern, by)
    lines = [
        n for n, text in enumerate((workspace.root / file).read_text().splitlines(), 1) if re.search(rf"\b{key}:", text)
    ]
    first, second = (lines[0], lines[-1]) if len(lines) > 1 else lines * 2
    message = rf"{Path(file).name}, line {second}: '{key}' stands here a second time; the first is in line {first}\b"
    with pytest.raises(ConfigError, match=message):
        load_all(workspace.root)


@pytest.mark.parametrize(
    "class_path", ["os.system", "subprocess.run", "builtins.eval", "system", "flows.cli.main", "5"]
)
def test_a_class_from_elsewhere_is_refused_before_it_is_imported(class_path, workspace):
    line = workspace.change(CLIP, r"class_path: components.objectives.softmax.SoftmaxLoss", f"class_path: {class_path}")
    with pytest.raises(
        ConfigError, match=rf"clip.yaml, line {line}: {class_path} may not be imported.*components, torch"
    ):
        load_recipe(workspace.root, "clip", "debug")


def test_nothing_else_is_even_imported(workspace, monkeypatch):
    (workspace.root / "elsewhere.py").write_text(
        "from pathlib import Path\nPath(__file__).with_name('it-ran').touch()\nclass Loss: ..."
    )
    monkeypatch.syspath_prepend(workspace.root)
    workspace.change(CLIP, r"components.objectives.softmax.SoftmaxLoss", "elsewhere.Loss")
    with pytest.raises(ConfigError, match=r"elsewhere\.Loss may not be imported"):
        load_recipe(workspace.root, "clip", "debug")
    with pytest.raises(ConfigError, match=r"elsewhere\.Loss"):
        build({"class_path": "elsewhere.Loss", "init_args": {}}, Method)
    assert not (workspace.root / "it-ran").exists()
    importlib.import_module("elsewhere")
    assert (workspace.root / "it-ran").exists()  # the trap works


@pytest.mark.parametrize(
    "class_path", ["torch.nn.Identity", "torch.nn.CrossEntropyLoss", "components.models.projection.LogitScale"]
)
def test_what_is_no_loss_does_not_fit_the_slot_of_one(class_path, workspace, vocabulary):
    workspace.change(CLIP, r"components.objectives.softmax.SoftmaxLoss", class_path)
    loaded = load_recipe(workspace.root, "clip", "debug")
    with pytest.raises(ConfigError, match=rf"{class_path} does not correspond to a subclass of Contrast"):
        build(overlay(loaded.method, {"init_args": {"model": loaded.model}}), Method)


@pytest.mark.parametrize(
    "class_path", ["components.objectives.softmax.SoftMaxLoss", "components.objectives.sofmax.SoftmaxLoss"]
)
def test_a_class_that_is_not_there_is_refused_with_its_line(class_path, workspace):
    line = workspace.change(CLIP, r"components.objectives.softmax.SoftmaxLoss", class_path)
    with pytest.raises(ConfigError, match=f"clip.yaml, line {line}: there is no {class_path}"):
        load_recipe(workspace.root, "clip", "debug")


@pytest.mark.parametrize(
    ("file", "pattern", "by", "says"),
    [
        (CLIP, r"\blr: [\d.e-]+", "lr: fast", "is 'fast', but must be of type float"),
        (CLIP, r"vocabulary: \d+", "vocabulary: 10.5", "is '10.5', but must be of type int"),
        (CLIP, r"  batch: \d+", "  batch: many", "is 'many', but must be of type int"),
        (CLIP, r"ks: \[1, 5, 10\]", "ks: [1, five]", "five"),
        (CLIP, r"year: \d+", "year: soon", "is 'soon', but must be of type int"),
        (DEBUG, r"precision: fp32", "precision: fp31", "'auto', 'bf16', 'fp32'"),
        (DEBUG, r"batch: \d+", "batch: sixteen", "is 'sixteen', but must be of type int"),
        (PARAMS, r"seed: \d+", "seed: none", "is 'none', but must be of type int"),
        (PARAMS, r"max_broken: [\d.]+", "max_broken: few", "is 'few', but must be of type float"),
    ],
)
def test_a_value_of_another_type_is_refused_with_its_line(file, pattern, by, says, workspace):
    line = workspace.change(file, pattern, by)
    with pytest.raises(ConfigError, match=rf"(?s)^{Path(file).name}, line {line}: .*{says}"):
        load_all(workspace.root)


@pytest.mark.parametrize("share", ["-0.1", "1.5"])
def test_a_gate_that_is_no_share_is_refused(share, workspace):
    workspace.change(PARAMS, r"max_broken: [\d.]+", f"max_broken: {share}")
    with pytest.raises(ConfigError, match=f"gates.max_broken is {share}, but it is a share"):
        load_params(workspace.root)


@pytest.mark.parametrize("seed", ["-1", "4294967296"])
def test_a_seed_that_a_library_would_refuse_at_the_end_is_refused_with_its_line(seed, workspace):
    line = workspace.change(PARAMS, r"seed: \d+", f"seed: {seed}")
    with pytest.raises(ConfigError, match=rf"^params.yaml, line {line}: seed is {seed}, .*from 0 to 4294967295"):
        load_params(workspace.root)


def test_a_number_out_of_range_of_a_section_within_is_refused_with_its_line(workspace):
    line = workspace.change(PARAMS, r"max_broken: [\d.]+", "max_broken: 2.0")
    with pytest.raises(ConfigError, match=rf"^params.yaml, line {line}: gates.max_broken is 2.0"):
        load_params(workspace.root)


@pytest.mark.parametrize("seed", [0, 4294967295])
def test_the_smallest_and_the_largest_seed_are_seeds(seed, workspace):
    workspace.change(PARAMS, r"seed: \d+", f"seed: {seed}")
    assert load_params(workspace.root).seed == seed


@pytest.mark.parametrize("bar", ["0", "-1.0", ".inf", ".nan"])
def test_a_bar_that_is_no_number_of_spreads_is_refused(bar, workspace):
    workspace.change(PARAMS, r"misfit: [\d.]+", f"misfit: {bar}")
    with pytest.raises(ConfigError, match=r"gates.misfit is .*Give a number above 0"):
        load_params(workspace.root)


def test_a_number_that_is_left_out_is_named(workspace):
    workspace.change(DEBUG, r"batch: \d+\n", "")
    with pytest.raises(ConfigError, match=r"debug\.yaml.*batch"):
        load_scale(workspace.root, "debug")


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_that_is_left_out_is_named(name, workspace):
    workspace.section(name, "")
    with pytest.raises(ConfigError, match=rf"clip\.yaml has no section '{name}'"):
        load_recipe(workspace.root, "clip", "debug")


@pytest.mark.parametrize("value", ["5", "[a, b]", "words"])
@pytest.mark.parametrize("name", [name for name in SECTIONS if name != "finetuning"])
def test_a_section_that_is_no_mapping_is_refused(name, value, workspace):
    workspace.section(name, f"{name}: {value}\n")
    with pytest.raises(ConfigError, match=rf"clip\.yaml, line \d+: {name} is .*must be names with values"):
        load_recipe(workspace.root, "clip", "debug")


@pytest.mark.parametrize("value", ["null", "{}"])
def test_sizes_that_are_empty_have_no_scale(value, workspace):
    workspace.section("sizes", f"sizes: {value}\n")
    with pytest.raises(ConfigError, match="no size for the scale 'debug'; there are none"):
        load_recipe(workspace.root, "clip", "debug")


def test_texts_of_a_step_are_read_and_what_is_wrong_in_them_is_said_with_its_line(workspace):
    line = workspace.change(CLIP, r"  trim: true\n", r"\g<0>  texts:\n    caption: {kinds: [short], count: 2}\n")
    texts = load_recipe(workspace.root, "clip", "debug").training.texts
    assert (texts["caption"].kinds, texts["caption"].count) == (("short",), 2)
    workspace.change(CLIP, "kinds: ", "kind: ")
    with pytest.raises(ConfigError, match=rf"clip\.yaml, line {line + 2}: .*takes no 'kind'.*Did you mean kinds\?"):
        load_recipe(workspace.root, "clip", "debug")
    workspace.change(CLIP, "caption: {kind: ", "other: {kinds: ")
    with pytest.raises(ConfigError, match=r"texts has other, but every method reads caption"):
        load_recipe(workspace.root, "clip", "debug")


def test_a_key_that_yaml_takes_for_a_truth_value_is_refused_as_any_other(workspace):
    workspace.change(CLIP, r"  batch:", "  yes:")
    with pytest.raises(ConfigError, match="the section 'evaluation' takes no 'yes'"):
        load_recipe(workspace.root, "clip", "debug")


def test_a_scale_without_a_size_is_refused_with_those_there_are(workspace):
    with pytest.raises(
        ConfigError, match=r"clip\.yaml, line \d+: there is no size for the scale 'huge'; there are .*debug"
    ):
        load_recipe(workspace.root, "clip", "huge")


def test_a_recipe_or_scale_that_is_not_there_is_refused_with_those_there_are(workspace):
    with pytest.raises(ConfigError, match=r"clop\.yaml does not exist. There are: .*clip"):
        load_recipe(workspace.root, "clop", "debug")
    with pytest.raises(ConfigError, match=r"huge\.yaml does not exist. There are: base, debug, laptop, large, small"):
        load_scale(workspace.root, "huge")


@pytest.mark.parametrize("text", ["a: [1", "- a\n- b\n", "words", ""])
def test_a_file_that_is_no_mapping_is_refused(text, workspace):
    (workspace.root / DEBUG).write_text(text)
    with pytest.raises(ConfigError, match=r"debug\.yaml(, line 1: this is not YAML| is not a mapping)"):
        load_scale(workspace.root, "debug")


def test_yaml_cannot_make_objects(workspace):
    workspace.change(DEBUG, r"batch: \d+", "batch: !!python/object/apply:os.getcwd []")
    with pytest.raises(ConfigError, match="could not determine a constructor"):
        load_scale(workspace.root, "debug")


def test_a_section_can_be_read_alone(workspace):
    assert load_curation(workspace.root, "clip").splits == ("train", "val")
    assert load_finetuning(workspace.root, "clip") is None
    workspace.change(CLIP, r"splits:", "split:")
    with pytest.raises(ConfigError, match="Did you mean splits"):
        load_curation(workspace.root, "clip")
