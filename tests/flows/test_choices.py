"""What `diptych run` is told ends up in params.yaml, which keeps its comments; what could not be run changes nothing."""

import shutil
from pathlib import Path

import pytest
import yaml

from components.contracts.errors import Busy, ConfigError, DataError
from components.contracts.model_files import MODEL_FILES
from components.data.sources.which_url import describe_url
from components.stages.lock import hold
from components.stages.place import private
from flows.choices import Choices, choose
from tests.shards import write_shard
from tests.web_server import Web, serving

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "components").symlink_to(REPOSITORY / "components")
    (tmp_path / "data/own").mkdir(parents=True)
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    return tmp_path


def params(root: Path) -> dict[str, object]:
    return yaml.safe_load((root / "params.yaml").read_text())


def test_every_choice_lands_where_it_belongs_and_comments_stay(root):
    before = (root / "params.yaml").read_text()
    numbers = ("training.steps=500", "method.init_args.objective.init_args={}", "seed=3", "gates.max_broken=0.2")
    changed = choose(root, Choices(recipe="clip", scale="debug", data="scenes", numbers=numbers), root)
    said = params(root)
    assert said["overrides"]["training"] == {"steps": 500}
    assert (said["scale"], said["seed"]) == ("debug", 3)
    assert said["gates"] == {**yaml.safe_load(before)["gates"], "max_broken": 0.2}
    assert said["source"] == {"name": "scenes", "path": "data/own", "languages": ["en"]}, "scenes take languages too"
    assert said["recipes"] == {"clip": {"start": "data/untrained.txt"}}
    assert changed[1:3] == ("scale: debug", "overrides.training.steps: 500")
    comments = [line.partition("#")[2] for line in before.splitlines() if "#" in line]
    assert [
        line.partition("#")[2] for line in (root / "params.yaml").read_text().splitlines() if "#" in line
    ] == comments
    assert choose(root, Choices(recipe="clip", scale="debug", numbers=numbers), root) == (), (
        "the same again changes nothing"
    )


def test_what_another_source_does_not_take_is_left_out(root):
    path = root / "params.yaml"
    path.write_text(path.read_text().replace("name: emoji", "name: scenes\n  pictures: 30"))
    assert params(root)["source"]["pictures"] == 30
    choose(root, Choices(data="emoji"), root)
    assert params(root)["source"] == {"name": "emoji", "path": "data/own", "languages": ["en"]}


@pytest.mark.parametrize("key", ["training.steps", "training.optimisation.lr"])
def test_a_number_is_taken_back_with_nothing_after_the_sign(key, root):
    """And nothing of it is left, or DVC would not know again what came of the section as it was."""
    before = (root / "params.yaml").read_text()
    choose(root, Choices(numbers=[f"{key}=5"]), root)
    assert params(root)["overrides"]["training"] != {}
    assert choose(root, Choices(numbers=[f"{key}="]), root) == (f"overrides.{key}: the recipe's own",)
    assert (root / "params.yaml").read_text() == before


def test_init_from_is_another_word_for_the_start_which_is_written_where_dvc_reads_it(root):
    (root / "models/mine").mkdir(parents=True)
    assert choose(root, Choices(recipe="siglip", numbers=["training.init_from=models/mine"]), root) == (
        "recipes.siglip: {'start': 'data/untrained.txt'}", "recipes.siglip.start: models/mine",
    )  # fmt: skip
    assert params(root)["recipes"]["siglip"] == {"start": "models/mine"}
    assert params(root)["overrides"]["training"] == {}
    choose(root, Choices(recipe="siglip", numbers=["training.init_from="]), root)
    assert params(root)["recipes"]["siglip"] == {"start": "data/untrained.txt"}
    before = (root / "params.yaml").read_text()
    both = ["training.init_from=models/mine", "recipes.siglip.start=runs/clip/finetune"]
    for choices, says in (
        (Choices(recipe="siglip", numbers=both), "say the same thing, what siglip begins from"),
        (Choices(recipe="siglip", start="models/mine", numbers=both[:1]), "say the same thing"),
        (Choices(numbers=both[:1]), "there are the recipes clip, siglip. Say by --recipe"),
        (Choices(recipe="siglip", numbers=["training.init_from=models/none"]), "'models/none', and there is nothing"),
    ):
        with pytest.raises(ConfigError, match=says):
            choose(root, choices, root)
        assert (root / "params.yaml").read_text() == before


def test_init_from_takes_a_model_of_others_lays_it_in_and_trains_its_architecture(root):
    shutil.copytree(REPOSITORY / "tests/golden/transformers/clip_gelu", root / "theirs")
    changed = choose(root, Choices(recipe="siglip", numbers=["training.init_from=theirs"]), root)
    assert changed[-2:] == (
        "recipes.siglip.model: start",
        f"recipes.siglip.start: {params(root)['recipes']['siglip']['start']}",
    )
    said = params(root)["recipes"]["siglip"]
    assert said["model"] == "start"
    assert sorted(path.name for path in (root / said["start"]).iterdir()) == sorted(MODEL_FILES)
    choose(root, Choices(recipe="siglip", numbers=["training.init_from="]), root)
    assert params(root)["recipes"]["siglip"] == {"start": "data/untrained.txt", "model": "recipe"}


def test_of_two_numbers_side_by_side_one_is_taken_back_and_the_other_stays(root):
    choose(root, Choices(numbers=["training.optimisation.lr=0.004", "training.optimisation.weight_decay=0.3"]), root)
    choose(root, Choices(numbers=["training.optimisation.lr="]), root)
    assert params(root)["overrides"]["training"] == {"optimisation": {"weight_decay": 0.3}}


def test_a_strategy_of_fine_tuning_is_switched_on_with_its_name_and_off_with_none(root):
    before = (root / "params.yaml").read_text()
    locked = "components.finetuning.locked.LockedImage"
    choose(root, Choices(numbers=[f"finetuning.class_path={locked}", "finetuning.init_args.share=0.5"]), root)
    assert params(root)["overrides"]["finetuning"] == {"class_path": locked, "init_args": {"share": 0.5}}
    assert choose(root, Choices(numbers=["finetuning="]), root) == ("overrides.finetuning: the recipe's own",)
    assert params(root)["overrides"]["finetuning"] == {}, "DVC stops when a section it watches is not there"
    assert (root / "params.yaml").read_text() == before
    assert choose(root, Choices(numbers=["finetuning="]), root) == ()


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        (
            Choices(numbers=["finetuning.class_path=components.finetuning.lockd.LockedImage"]),
            "Did you mean .*locked.LockedImage",
        ),
        (Choices(numbers=["finetuning.init_args.share=0.5"]), "must name a strategy by its class_path"),
        (Choices(recipe="clpi"), "no recipe 'clpi'.*did you mean clip"),
        (Choices(scale="labtop"), "no scale 'labtop'.*did you mean laptop.*stays as it was"),
        (Choices(data="emojis"), "no such folder or table.*did you mean emoji"),
        (Choices(numbers=["training.stepz=5"]), "takes no 'stepz'.*Did you mean steps.*stays as it was"),
        (Choices(numbers=["training.steps=many"]), "steps does not fit. It is 'many', but must be of type int"),
        (Choices(numbers=["trainin.steps=5"]), "there is no 'trainin'.*did you mean training.steps"),
        (Choices(numbers=["training.steps"]), "has no '='"),
        (Choices(numbers=["training.steps=[5"]), "no value that YAML knows"),
        (Choices(scale="debug", numbers=["model.init_args.widht=5"]), "takes no 'widht'.*Did you mean width"),
    ],
)
def test_what_could_not_be_run_is_refused_and_changes_nothing(choices, says, root):
    before = (root / "params.yaml").read_bytes()
    with pytest.raises(ConfigError, match=f"(?s){says}"):
        choose(root, choices, root)
    assert (root / "params.yaml").read_bytes() == before
    assert not list(root.glob(".params*"))


def test_while_another_run_is_at_work_nothing_changes(root):
    before = (root / "params.yaml").read_bytes()
    with hold(private(root, "locks") / "workspace.lock", "the workspace"), pytest.raises(Busy):
        choose(root, Choices(scale="debug"), root)
    assert (root / "params.yaml").read_bytes() == before


def test_a_recipe_that_is_there_joins_the_list(root):
    (root / "components").unlink()
    shutil.copytree(REPOSITORY / "components/recipes", root / "components/recipes")
    shutil.copy(root / "components/recipes/clip.yaml", root / "components/recipes/mine.yaml")
    assert choose(root, Choices(recipe="mine"), root) == ("recipes.mine: {'start': 'data/untrained.txt'}",)
    assert list(params(root)["recipes"]) == ["clip", "mine"]


def test_own_pictures_are_chosen_by_their_path_and_left_again_by_a_name(root):
    before = (root / "params.yaml").read_text()
    (root / "elsewhere/mine").mkdir(parents=True)
    (root / "elsewhere/mine/captions.csv").write_text("image,caption\na.png,a red square\n")
    choose(root, Choices(data="mine"), root / "elsewhere")
    chosen = params(root)["source"]
    assert (chosen["name"], chosen["path"]) == ("table", "elsewhere/mine")
    assert (chosen["columns"]["image"], chosen["columns"]["caption"]) == ("image", "caption")
    assert "languages" not in chosen, "what the emoji were asked for does not hold for them"
    choose(root, Choices(data="emoji"), root)
    assert params(root)["source"] == {"name": "emoji", "path": "data/own"}
    assert before.splitlines()[6:] == (root / "params.yaml").read_text().splitlines()[-len(before.splitlines()[6:]) :]


def test_shards_that_lie_elsewhere_are_chosen_with_the_version_they_have(root):
    members = [(f"{number}.{kind}", b"x") for number in range(3) for kind in ("png", "txt")]
    shard = write_shard(root / "0.tar", members).read_bytes()
    with serving(Web({"/cc/0.tar": shard, "/cc/1.tar": shard})) as web:
        text = (root / "params.yaml").read_text()
        (root / "params.yaml").write_text(text.replace("languages: [en]", f"allow_hosts: ['{web.host}']", 1))
        url = web.url("/cc/{0..1}.tar")
        changed = choose(root, Choices(data=url), root)
        said = params(root)["source"]
        assert said == {
            "name": "webdataset",
            "path": "data/own",
            "url": url,
            "version": said["version"],
            "allow_hosts": [web.host],
        }
        assert url in changed[0]
        assert choose(root, Choices(data=url), root) == (), "nothing changed there, so nothing changes here"
        web.files["/cc/1.tar"] = shard + bytes(1024)
        assert describe_url(url, [web.host])["version"] != said["version"], "which DVC would see in params.yaml"
        with pytest.raises(DataError, match=r"/cc/2\.tar could not be fetched"):
            choose(root, Choices(data=web.url("/cc/{0..2}.tar")), root)
    with pytest.raises(ConfigError, match=r"is none of \.tar"):
        choose(root, Choices(data="https://x.example/pictures/"), root)
