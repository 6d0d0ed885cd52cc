"""What could not be run is said before any work: with file, line and the nearest name."""

import re
import shutil
from pathlib import Path

import pytest

from components.contracts.errors import ConfigError
from components.recipes.check import check, main
from components.recipes.names import check_names

REPOSITORY = Path(__file__).parents[3]
CLIP, PARAMS = "components/recipes/clip.yaml", "params.yaml"
LOCKED = "components.finetuning.locked.LockedImage"
GROUPED = "components.data.samplers.groups.Grouped"
SOFTMAX = "components.objectives.softmax.SoftmaxLoss"


def nested(numbers: str) -> str:
    """A Matryoshka with these numbers, in one line."""
    around = "components.objectives.matryoshka.Matryoshka"
    return f"{{class_path: {around}, init_args: {{objective: {{class_path: {SOFTMAX}}}, {numbers}}}}}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(REPOSITORY / "components/recipes", tmp_path / "components/recipes")
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    (tmp_path / "data/own").mkdir(parents=True)
    return tmp_path


def change(path: Path, pattern: str, by: str) -> int:
    """Replace the first match, and return the line in which it began."""
    text = path.read_text()
    found = re.search(pattern, text)
    assert found, f"{path.name} has no {pattern!r} any more: change the test with it"
    path.write_text(text[: found.start()] + by + text[found.end() :])
    return text[: found.start()].count("\n") + 1


def test_the_project_as_it_stands_can_be_run(root):
    check(root)


@pytest.mark.parametrize(
    ("file", "pattern", "by", "says"),
    [
        (PARAMS, r"  clip: ", "  clpi: ", "no recipe 'clpi'.*did you mean clip"),
        (PARAMS, r"recipes: .*\n.*", "recipes: {}", "must name at least one"),
        (PARAMS, r"recipes: .*\n.*", "recipes: [clip]", r"recipes: \{clip: \{start: data/untrained.txt\}\}"),
        (PARAMS, r"  training: \{\}", "  training: {init_from: models/mine}", r"overrides\.training\.init_from says what a training begins from.*recipes: "),
        (CLIP, r"(?<=\ntraining:\n)  ", "  init_from: models/mine\n  ", r"training\.init_from says what .* --set training\.init_from=runs/clip/finetune` writes that"),
        (PARAMS, r"scale: \w+", "scale: labtop", "no scale 'labtop'.*did you mean laptop"),
        (PARAMS, r"seed: 0", "sed: 0", "takes no 'sed'.*Did you mean seed"),
        (PARAMS, r"name: emoji", "name: emojis", "'emojis', which is no source.*did you mean emoji"),
        (PARAMS, r"languages: \[en\]", "langauges: [en]", "takes no 'langauges'.*did you mean languages"),
        (PARAMS, r"path: data/own", "path: data/elsewhere", "source.path is 'data/elsewhere', and there is nothing"),
        (PARAMS, r"max_broken: [\d.]+", "max_broken: few", "gates.max_broken does not fit. It is 'few'"),
        (PARAMS, r"policy: \{\}", "policy: {twin_in_trian: drop}", "'twin_in_trian', which is no reason.*did you mean twin_in"),
        (PARAMS, r"policy: \{\}", "policy: {blank: keep}", "'blank', which is always set aside"),
        (PARAMS, r"policy: \{\}", "policy: {twin_in_train: burn}", "gates.policy.* does not fit"),
        (PARAMS, r"training: \{\}", "training: {stepz: 5}", "takes no 'stepz'.*Did you mean steps"),
        (PARAMS, r"training: \{\}", f"training: {{order: {{class_path: {GROUPED}, init_args: {{byy: source}}}}}}",
         "Grouped takes no 'byy'.*Did you mean by"),
        (PARAMS, r"training: \{\}", f"training: {{order: {{class_path: {GROUPED}Batches}}}}",
         "GroupedBatches.*Did you mean components.data.samplers.groups.GroupBatches"),
        (PARAMS, r"training: \{\}", "training: {order: {class_path: components.data.samplers.groups.GroupBatches}}",
         "GroupBatches is no Ordering"),
        (PARAMS, r"training: \{\}", f"training: {{order: {{class_path: {GROUPED}, init_args: {{by: [a]}}}}}}",
         "training.order.by does not fit"),
        (PARAMS, r"training: \{\}",
         "training: {order: {class_path: components.data.samplers.lengths.ByLength, init_args: {window: 0}}}", "window is 0"),
        (PARAMS, r"training: \{\}", "training: {order: {by: source}}", "must name an order by its class_path"),
        (CLIP, r"  trim: true", "  order: Grouped\n  trim: true", "training.order does not fit. Given value: Grouped"),
        (PARAMS, r"model: \{\}", "model: {init_args: {width: wide}}", "model.width does not fit. It is 'wide'"),
        (PARAMS, r"finetuning: \{\}", f"finetuning: {{class_path: {LOCKED}, init_args: {{shar: 1}}}}",
         "LockedImage takes no 'shar'.*Did you mean share"),
        (PARAMS, r"finetuning: \{\}", f"finetuning: {{class_path: {LOCKED}, init_args: {{share: much}}}}",
         "finetuning.share does not fit. It is 'much', but must be of type float"),
        (PARAMS, r"finetuning: \{\}", f"finetuning: {{class_path: {LOCKED}, init_args: {{share: 0}}}}", "share is 0.0, but"),
        (PARAMS, r"finetuning: \{\}", f"finetuning: {{class_path: {LOCKED}, init_args: {{alphas: [2]}}}}", "alphas are"),
        (PARAMS, r"finetuning: \{\}", f"finetuning: {{class_path: {LOCKED}, init_args: {{optimisation: {{lrr: 1}}}}}}",
         "optimisation' takes no 'lrr'.*Did you mean lr"),
        (PARAMS, r"finetuning: \{\}", f"finetuning: {{class_path: {LOCKED}, init_args: {{optimisation: {{lr: 1}}}}}}",
         "It lacks weight_decay"),
        (PARAMS, r"finetuning: \{\}", "finetuning: {class_path: components.finetuning.locked.LockdImage}",
         "there is no .*Did you mean components.finetuning.locked.LockedImage"),
        (PARAMS, r"finetuning: \{\}", "finetuning: {class_path: components.finetuning.LockedImage}",
         "Did you mean components.finetuning.locked.LockedImage"),
        (PARAMS, r"finetuning: \{\}", "finetuning: {class_path: components.objectives.softmax.SoftmaxLoss}",
         "SoftmaxLoss is no Strategy"),
        (PARAMS, r"finetuning: \{\}", "finetuning: {class_path: components.finetuning.strategy.Strategy}",
         "Strategy is only a base"),
        (PARAMS, r"finetuning: \{\}", "finetuning: {init_args: {share: 1}}", "must name a strategy by its class_path"),
        (CLIP, r"finetuning: null", "finetuning: {}", "must name a strategy by its class_path.*null passes"),
        (CLIP, r"finetuning: null", "finetuning: [locked]", "must name a strategy by its class_path"),
        (CLIP, r"temperature: 0.07", "temprature: 0.07", "takes no 'temprature'.*Did you mean temperature"),
        (CLIP, r"temperature: 0.07", "temperature: hot", "model.logit_scale.temperature.*'hot', but must be of type float"),
        (CLIP, r"class_path: components.objectives\S+", "class_path: components.models.projection.LogitScale",
         "method.objective does not fit.*LogitScale is no Contrast"),
        (CLIP, r"class_path: components.objectives\S+", f"{{class_path: {SOFTMAX}, init_args: {{smoothing: 2}}}}", "smoothing is 2"),
        (CLIP, r"class_path: components.objectives\S+", nested("widths: [0.5, 1.5]"), "widths has 1.5, but"),
        (CLIP, r"class_path: components.objectives\S+", nested("widths: [4, 200]"), "with 128 dimensions is .* 1 to 127"),
        (CLIP, r"class_path: components.objectives\S+", nested("width: [4]"), "Matryoshka takes no 'width'.*Did you mean widths"),
        (CLIP, r"class_path: components.objectives\S+", nested("widths: half"), "widths does not fit"),
        (CLIP, r"evaluators:", "evaluatoors:", "takes no 'evaluatoors'.*Did you mean evaluators"),
        (CLIP, r"prompts: members", "promts: members", "ZeroShot takes no 'promts'.*Did you mean prompts"),
        (CLIP, r"prompts: members", "prompts: names", r"evaluators\.0\.prompts does not fit. It is 'names', but must be one of 'label'"),
        (CLIP, r"class_path: components.evaluation.probe.Probe", "class_path: components.evaluation.probe.Prob",
         "there is no components.evaluation.probe.Prob"),
        (CLIP, r"class_path: components.evaluation.downstream.digits.Digits",
         "class_path: components.evaluation.probe.Probe", "data"),
        (CLIP, r"class_path: components.evaluation.feature_stats.FeatureStats\n.*",
         "class_path: components.objectives.softmax.SoftmaxLoss", "SoftmaxLoss is no Evaluator"),
        (PARAMS, r"evaluation: \{\}", "evaluation: {evaluators: [{class_path: components.evaluation.probe.Probe}]}", "lacks data"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_with_file_line_and_remedy(file, pattern, by, says, root, capsys):
    line = change(root / file, pattern, by)
    with pytest.raises(ConfigError, match=rf"(?s)^{Path(file).name}, line {line}: .*{says}"):
        check(root)
    assert main([str(root)]) == 1
    assert capsys.readouterr().err.startswith(f"{Path(file).name}, line {line}: ")


def test_numbers_that_an_evaluator_refuses_are_said_with_their_line(root):
    line = change(root / CLIP, r"splits: \[val\]", "splits: []")
    with pytest.raises(ConfigError, match=f"^clip.yaml, line {line}: splits is empty"):
        check(root)


OPS = "components.curation.ops"


@pytest.mark.parametrize(
    ("ops", "says"),
    [
        ("{class_path: OPS.keep.Kept}", r"there is no OPS.keep.Kept .* Did you mean OPS.keep.Keep\?"),
        ("{class_path: OPS.keep.Keep, init_args: {were: a > 1}}", "Keep takes no 'were'.*mean where"),
        ("{class_path: OPS.select.Select, init_args: {ratio: 1.5}}", "ratio is 1.5, but it is the share that stays"),
        ("{class_path: OPS.select.Select, init_args: {ratio: half}}", "ratio does not fit. .*half"),
        (
            "{class_path: OPS.keep.Keep, init_args: {where: 'f(1)'}}",
            "where is 'f\\(1\\)', and 'f\\(1\\)' in it is nothing it takes",
        ),
        (
            "{class_path: OPS.score.Score, init_args: {model: clip}}",
            "Score asks the model 'clip', and curation.models names none",
        ),
        ("{class_path: torch.nn.Identity}", "torch.nn.Identity is no CurationOp"),
    ],
)
def test_a_step_of_curation_that_could_not_be_run_is_said_with_its_line(root, ops, says):
    line = change(
        root / CLIP, r"splits: \[train, val\]\n", f"splits: [train, val]\n  ops:\n    - {ops.replace('OPS', OPS)}\n"
    )
    with pytest.raises(ConfigError, match=f"^clip.yaml, line {line + 2}: .*{says.replace('OPS', OPS)}"):
        check(root)


def test_steps_of_curation_that_are_right_can_be_run(root):
    ops = f"ops: [{{class_path: {OPS}.score.Score, init_args: {{model: clip}}}}, {{class_path: {OPS}.measure.Measure}}]"
    change(root / PARAMS, r"curation: \{\}", f"curation: {{models: {{clip: runs/clip/package}}, {ops}}}")
    check(root)


def test_a_method_around_another_is_looked_into(root):
    """The method within is made of the model, so it is not built, and the parts of it are."""
    text = (root / CLIP).read_text()
    method = text[text.index("method:\n") : text.index("training:\n")]
    within = method.replace("method:", "    method:").replace("\n ", "\n     ")
    around = f"method:\n  class_path: components.methods.reinforce.Reinforce\n  init_args:\n{within}"
    (root / CLIP).write_text(text.replace(method, around))
    check(root)
    line = change(root / CLIP, r"class_path: components.objectives\S+", nested("widths: [4, 200]"))
    with pytest.raises(ConfigError, match=rf"^clip.yaml, line {line}: widths is .* with 128 dimensions"):
        check(root)


def test_a_strategy_that_is_right_can_be_run(root):
    change(
        root / PARAMS,
        r"finetuning: \{\}",
        f"finetuning: {{class_path: {LOCKED}, init_args: {{share: 1, alphas: [0.5]}}}}",
    )
    check(root)


def test_an_order_that_is_right_can_be_run(root):
    change(
        root / PARAMS, r"training: \{\}", f"training: {{order: {{class_path: {GROUPED}, init_args: {{by: category}}}}}}"
    )
    check(root)


def test_the_size_of_the_chosen_scale_is_checked_and_said_with_its_own_line(root):
    change(root / PARAMS, r"scale: \w+", "scale: debug")
    line = change(root / CLIP, r"width: 32, depth: 1", "width: 32, depth: deep")
    with pytest.raises(ConfigError, match=rf"line {line}: model.text.depth does not fit. It is 'deep'"):
        check(root)


def test_names_need_nothing_but_the_files(root):
    assert check_names(root) == ("clip",)
    shutil.copy(root / CLIP, root / "components/recipes/filip.yaml")
    line = change(
        root / PARAMS,
        r"recipes: .*\n.*",
        "recipes:\n  clip: {start: data/untrained.txt}\n  flip: {start: data/untrained.txt}",
    )
    with pytest.raises(
        ConfigError, match=rf"line {line + 2}: there is no recipe 'flip'.*clip, .*filip.*; did you mean filip"
    ):
        check_names(root)
