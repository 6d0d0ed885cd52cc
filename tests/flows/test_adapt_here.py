"""`diptych adapt` in a workspace: what is laid in, what params.yaml says then, and the stages on it, at `debug`."""

import json
import shutil
import signal
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from components.contracts.errors import ConfigError, DataError
from components.contracts.evaluator import Evaluator
from components.contracts.model_files import MODEL_FILES, model_digest
from components.contracts.progress import silent
from components.contracts.sealed import digest_of
from components.data.evaluation_set import read_set
from components.data.manifest import read_manifest
from components.data.selection import read_pool
from components.data.transforms.preprocess import Preprocess
from components.finetuning.labels.way import LabelVectors
from components.finetuning.raced import Race
from components.recipes.recipe import load_finetuning
from components.recipes.section import build
from components.recipes.trained import load_trained, save_trained
from components.serving.labels import Labels
from components.stages.finetune import asked_of, check_same, race_of
from flows.adapt_here import Here, advice_of, check_recalled, choices_of, set_in
from flows.choices import Choices, choose
from flows.cli import main
from flows.given_start import given_start, laid_in
from flows.promote import retained
from tests.own_pictures import paint, write_table
from tests.squares import described_at_debug
from tests.their_sets import write_set
from tests.workspace import REPOSITORY, dvc, make_workspace


@pytest.fixture
def start(tmp_path, clip, vocabulary):
    """A model of ours, not yet trained."""
    (tmp_path / "start").mkdir()
    save_trained(tmp_path / "start", clip.model, described_at_debug(vocabulary), vocabulary, Preprocess(size=32))
    return tmp_path / "start"


def test_a_model_is_laid_in_once_and_known_by_its_files(start, tmp_path):
    root = tmp_path / "job"
    root.mkdir()
    place = laid_in(*given_start("start", tmp_path), root)
    assert place == f"models/start-{model_digest(start)[:8]}"
    assert sorted(path.name for path in (root / place).iterdir()) == sorted(MODEL_FILES)
    assert laid_in(*given_start(str(start), root), root) == place
    assert [path.name for path in (root / "models").iterdir()] == [place.removeprefix("models/")], "nothing half done"
    for nothing in ("elsewhere", "models/clip@3"):  # a path, and no version of a registry, which this workspace has not
        with pytest.raises(ConfigError, match="there is nothing there"):
            given_start(nothing, tmp_path, root=root)
    (start / "tokenizer.json").unlink()
    with pytest.raises(ConfigError, match=r"lacks tokenizer\.json"):
        laid_in(*given_start("start", tmp_path), root)


def test_held_out_copies_are_set_aside_unless_somebody_says_what_becomes_of_them(start, tmp_path):
    root = tmp_path / "job"
    root.mkdir()
    for policy, numbers in (
        ({}, ("gates.policy.leak_near=drop", "seed=3")), ({"leak_near": "keep"}, ("seed=3",)), ({"twin_in_train": "drop"}, ("gates.policy.leak_near=drop", "seed=3")),
    ):  # fmt: skip
        (root / "params.yaml").write_text(yaml.safe_dump({"gates": {"max_broken": 0.01, "policy": policy}}))
        assert (
            tuple(choices_of(Here(data="mine", start="start", numbers=["seed=3"]), root, tmp_path).numbers) == numbers
        )
    for said in ({"seed": 3}, {"gates": None}, {"gates": {"policy": None}}):
        (root / "params.yaml").write_text(yaml.safe_dump(said))
        numbers = choices_of(Here(data="mine", start="start"), root, tmp_path).numbers
        assert tuple(numbers) == ("gates.policy.leak_near=drop",), said


def lay_recipe(root):
    """The recipe of a workspace, whose own sets have names."""
    (root / "components/recipes").mkdir(parents=True)
    shutil.copy(REPOSITORY / "components/recipes/adapted.yaml", root / "components/recipes")


def test_a_set_that_is_named_bounds_the_race_by_one_half_and_is_measured_by_the_other(start, tmp_path):
    paint(tmp_path / "painted", 6)
    rows = [
        {"png": path.read_bytes(), "cls": str(place % 2).encode()}
        for place, path in enumerate(sorted((tmp_path / "painted").glob("*.png")))
    ]
    write_set(tmp_path / "cifar", rows, ["an even shape", "an odd shape"])
    root = tmp_path / "job"
    (root / "data/sets").mkdir(parents=True)
    lay_recipe(root)
    (root / "params.yaml").write_text(yaml.safe_dump({"gates": {"max_broken": 0.01, "retention": 0.03}}))
    asked = Here(data="mine", start="start", sets=[tmp_path / "cifar"])
    choices = choices_of(asked, root, tmp_path)
    assert choices.sets == {"cifar": {"path": "data/sets/cifar", "half": "second"}}
    held = choices.race["sets"]["cifar"]
    assert (held["path"], held["half"], len(held["digest"])) == ("data/sets/cifar", "first", 12)
    assert choices.race["most_lost"] == 0.03, "what the gate allows"
    assert choices_of(replace(asked, race={"most_lost": 0.2}), root, tmp_path).race["most_lost"] == 0.2
    assert asked_of(choices.race["sets"])["cifar"].half == "first"


def shapes(tmp_path, *names):
    """Sets of two classes, in folders of these names."""
    paint(tmp_path / "painted", 6)
    rows = [
        {"png": path.read_bytes(), "cls": str(place % 2).encode()}
        for place, path in enumerate(sorted((tmp_path / "painted").glob("*.png")))
    ]
    return [write_set(tmp_path / name, rows, ["an even shape", "an odd shape"]) for name in names]


def test_a_set_is_called_what_numbers_can_bear_before_anything_is_laid(start, tmp_path):
    (theirs, alike, own) = shapes(tmp_path, "wds_vtab-cifar10.v2", "wds_vtab_cifar10_v2", "pair")
    root = tmp_path / "job"
    (root / "data/sets").mkdir(parents=True)
    lay_recipe(root)
    (root / "params.yaml").write_text("{}")
    for sets, says in (
        ([theirs, alike], "called wds_vtab_cifar10_v2, as .*wds_vtab-cifar10.v2"), ([own], "called pair, as what is your own"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=says):
            choices_of(Here(data="mine", start="start", sets=sets), root, tmp_path)
        assert not (root / "models").exists()
        assert list((root / "data/sets").iterdir()) == []
    choices = choices_of(Here(data="mine", start="start", sets=[theirs]), root, tmp_path)
    name = read_set(theirs).name
    assert name == "wds_vtab_cifar10_v2"
    assert choices.sets == {name: {"path": f"data/sets/{name}", "half": "second"}}
    assert choices.race["sets"][name]["path"] == f"data/sets/{name}"


def test_a_set_that_is_named_no_more_is_measured_on_no_more(start, tmp_path):
    one, other = shapes(tmp_path, "cifar", "flickr")
    paint(tmp_path / "mine", 12)
    root = make_workspace(tmp_path / "job")
    asked = Here(data="mine", start="start", sets=[one, other])

    def said(sets):
        choose(root, choices_of(replace(asked, sets=sets), root, tmp_path), tmp_path)
        params = yaml.safe_load((root / "params.yaml").read_text())
        race = params["recipes"]["adapted"]["race"]
        return set(race.get("sets", {})), params["overrides"].get("evaluation", {}).get("sets", {})

    half = {name: {"path": f"data/sets/{name}", "half": "second"} for name in ("cifar", "flickr")}
    assert said([one, other]) == ({"cifar", "flickr"}, half)
    assert said([other]) == ({"flickr"}, {"flickr": half["flickr"]})
    by_hand = yaml.safe_load((root / "params.yaml").read_text())
    by_hand["overrides"]["evaluation"]["sets"]["cifar"] = {"path": "data/sets/cifar"}
    (root / "params.yaml").write_text(yaml.safe_dump(by_hand, sort_keys=False))
    assert said([]) == (set(), {"cifar": {"path": "data/sets/cifar"}}), "what somebody else wrote stays"


def test_a_set_is_laid_in_once_and_another_of_its_name_is_refused(tmp_path):
    paint(tmp_path / "painted", 4)
    one, two = (
        [
            {"png": path.read_bytes(), "cls": str(place % 2).encode()}
            for place, path in enumerate(sorted((tmp_path / "painted").glob("*.png"))[:count])
        ]
        for count in (3, 4)
    )
    for folder, rows in (("one", one), ("two", two)):
        (tmp_path / folder).mkdir()
        write_set(tmp_path / folder / "cifar", rows, ["an even shape", "an odd shape"])
    root = tmp_path / "job"
    (root / "data/sets").mkdir(parents=True)
    assert set_in(tmp_path / "one/cifar", root) == "data/sets/cifar" == set_in(tmp_path / "one/cifar", root)
    assert [path.name for path in (root / "data/sets").iterdir()] == ["cifar"], "nothing half done where DVC looks"
    with pytest.raises(ConfigError, match="another set of that name"):
        set_in(tmp_path / "two/cifar", root)
    with pytest.raises(DataError):
        set_in(tmp_path / "three", root)
    assert not (root / "data/sets/three").exists()


def test_what_a_workspace_would_not_heed_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        assert main(["adapt", "mine", "--from", "start", "--json"]) == 1
        assert "--json prints what --to leaves" in capsys.readouterr().err
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def test_a_loss_beyond_retention_fails_the_gate_and_one_that_nobody_can_tell_is_for_a_person():
    line = {"metric": "zero_shot.cifar.class.top1", "low": -0.03, "high": 0.01}
    found = retained(
        {
            "elsewhere": {
                "cifar": {**line, "difference": -0.011}, "flickr": {**line, "difference": -0.009}, "other": {**line, "difference": None},
            }
        },
        0.01,
    )  # fmt: skip
    assert [(one.rule, one.held) for one in found] == [
        ("retention", "fails"),
        ("retention", "holds"),
        ("retention", "uncertain"),
    ]
    assert "-1.1 points on cifar against its start (-3.0 to +1.0), and gates.retention allows -1.0" in found[0].says
    assert retained({}, 0.01) == [], "a model that was not adapted"
    (nowhere,) = retained({"elsewhere": {}}, 0.01)
    assert (nowhere.held, nowhere.metric) == ("uncertain", "elsewhere")
    assert "was measured on no set" in nowhere.says
    digits = {**line, "difference": -0.2, "able": False}
    nobody, unable = retained({"elsewhere": {"digits": digits}}, 0.01)
    assert (unable.held, "not shown to be better there than chance" in unable.says) == ("told", True)
    assert (nobody.held, nobody.metric) == ("uncertain", "elsewhere")
    assert "was measured on digits alone" in nobody.says
    assert "`diptych adapt --set`" in nobody.says
    both = retained({"elsewhere": {"digits": digits, "cifar": {**line, "difference": 0.0}}}, 0.01)
    assert [one.held for one in both] == ["told", "holds"]


@pytest.mark.parametrize("of", range(1, 101))
def test_a_loss_of_exactly_what_is_allowed_holds_however_its_difference_is_rounded(of):
    line = {"metric": "zero_shot.cifar.class.top1", "low": -0.03, "high": 0.01}
    moved = (of - 1) / 100 - of / 100
    (found,) = retained({"elsewhere": {"cifar": {**line, "difference": moved}}}, 0.01)
    assert found.held == "holds"


def test_a_race_is_held_to_the_sets_that_were_named_and_to_no_others():
    with pytest.raises(ConfigError, match="without its digest"):
        Race(sets={"cifar": {"path": "data/sets/cifar"}})
    named = {"cifar": {"path": "data/sets/cifar", "digest": "a" * 12}, "general": {"source": {"name": "scenes"}}}
    assert Race(sets=named).sets == named
    with pytest.raises(ConfigError, match="recall is -1"):
        Race(recall=-1.0)
    with pytest.raises(ConfigError, match=r"replay is 1.0"):
        Race(replay=1.0)
    check_same(named, {"cifar": "a" * 64, "general": "b" * 64})
    with pytest.raises(ConfigError, match="somebody changed it"):
        check_same(named, {"cifar": "b" * 64, "general": "b" * 64})
    assert asked_of(named)["cifar"].path == "data/sets/cifar"


def test_the_race_of_the_recipe_is_known_by_what_it_lists_and_its_sets_are_asked_as_is_written():
    described = load_finetuning(REPOSITORY, "adapted")
    before = digest_of(described)
    race, listed = race_of(described)
    assert race.sets.keys() == listed.keys() == {"general", "drawn", "digits"}
    assert digest_of(described) == before, "what builds a race leaves the section as it is"
    for name in ("drawn", "digits"):
        asked = asked_of(listed)[name]
        (asks,) = (build(one, Evaluator) for one in asked.evaluators)
        assert (asked.half, asks.label, asks.prompts, asks.among) == ("first", "category", "templates", "pools")


def test_general_pictures_of_a_workspace_are_of_a_source_that_needs_no_path(tmp_path):
    for race in ({}, {"recalled": {"name": "emoji"}}, {"recalled": {"name": "scenes"}}):
        check_recalled(race, "mine", tmp_path)
    for said in ("folder", "nowhere", "data/own"):
        with pytest.raises(ConfigError, match=f"--recalled {said} is no source that needs no path.*emoji"):
            check_recalled({"recalled": {"name": said}}, "mine", tmp_path)
    check_recalled({"replay": 0.5, "recalled": {"name": "scenes"}}, "mine", tmp_path)
    with pytest.raises(
        ConfigError, match="replay learns from what the start learnt from, or from drawn scenes, and recalled is"
    ):
        check_recalled({"replay": 0.5, "recalled": {"name": "emoji"}}, "mine", tmp_path)
    with pytest.raises(ConfigError, match=r"whose rows neither lineage nor data/takedown\.txt would reach"):
        Race(replay=0.5, recalled={"name": "emoji"})
    learnt = {"name": "start", "digest": "0" * 12}
    assert Race(replay="auto", recalled=learnt).of_start == "0" * 12
    for race in ({}, {"recalled": learnt, "ways": ["lora"]}, {"recalled": learnt, "recall": 1.0}):
        with pytest.raises(ConfigError, match="replay is auto, which is for what the start learnt from"):
            Race(replay="auto", **race)
    with pytest.raises(ConfigError, match="lacks the digest of what was laid into data/learnt"):
        Race(replay=0.5, recalled={"name": "start"})


def test_a_way_that_there_is_not_and_a_set_of_a_name_that_is_taken_are_said_before_anything_is_made(tmp_path):
    shutil.copytree(REPOSITORY / "components/recipes", tmp_path / "components/recipes")
    with pytest.raises(ConfigError, match=r"no way to tune that is called 'loar'.*did you mean lora"):
        choices_of(Here(data="mine", start="start", race={"ways": ["loar"]}), tmp_path, tmp_path)
    (tmp_path / "general").mkdir()
    with pytest.raises(ConfigError, match=r"it is called general, as a set that ships.*Rename its folder"):
        choices_of(Here(data="mine", start="start", sets=[tmp_path / "general"]), tmp_path, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"components", "general"}


def test_what_is_adapted_to_is_not_recalled(tmp_path):
    """No picture of `pair` is looked at before it is tested on, so that none could be left out of what the same source gives."""
    for data, race in (
        ("emoji", {"recall": 1.0, "recalled": {"name": "emoji"}}),
        ("scenes", {"replay": 0.5}),
        ("scenes", {"recall": 1.0, "recalled": {"name": "scenes"}}),
    ):
        with pytest.raises(ConfigError, match=f"general pictures would be of {data}, as those are that are adapted to"):
            check_recalled(race, data, tmp_path)
    with pytest.raises(ConfigError, match="general pictures would be of emoji"):
        choices_of(
            Here(data="emoji", start="start", race={"recall": 1.0, "recalled": {"name": "emoji"}}), tmp_path, tmp_path
        )
    check_recalled({}, "scenes", tmp_path)
    check_recalled({"recall": 1.0}, "emoji", tmp_path)
    (tmp_path / "emoji").mkdir()  # a folder of one's own, which is what is read then
    check_recalled({"recall": 1.0, "recalled": {"name": "emoji"}}, "emoji", tmp_path)


@pytest.mark.timeout(900)
def test_the_stages_adapt_what_was_laid_in_and_the_package_says_what_came_of_it(start, tmp_path):
    write_table(tmp_path / "mine.csv", said := paint(tmp_path / "mine", 60), label="category")
    (tmp_path / "mine.csv").rename(tmp_path / "mine/captions.csv")
    assert len(said) == 60
    root = make_workspace(tmp_path / "job", gates={"max_broken": 0.05})
    place = laid_in(*given_start("start", tmp_path), root)
    changed = choose(
        root,
        Choices(
            recipe="adapted",
            data="mine",
            start=place,
            race={
                "budget_s": 20.0,
                "batch": 12,
                "ways": ["lora", "whole", "feature adapter"],
                "recall": 0.5,
                "replay": 0.25,
                "recalled": {"name": "scenes", "pictures": 24},
            },
        ),
        tmp_path,
    )
    assert any(place in one for one in changed)
    kept = yaml.safe_load((root / "params.yaml").read_text())
    kept["recipes"] = {"adapted": kept["recipes"]["adapted"]}
    (root / "params.yaml").write_text(yaml.safe_dump(kept, sort_keys=False))
    ran = dvc(root, "repro")
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    run = root / "runs/adapted"
    for name in MODEL_FILES:
        assert (run / "pretrain" / name).read_bytes() == (root / place / name).read_bytes(), "the start passes through"
    trained = json.loads((run / "pretrain/metrics.json").read_text())
    assert (trained["steps"], trained["start"]["path"]) == (0, place)
    raced = json.loads((run / "finetune/adapted.json").read_text())
    tuned = json.loads((run / "finetune/metrics.json").read_text())
    assert tuned["samples"] == tuned["steps"] * tuned["batch"]
    assert (raced["general"], raced["batch"], tuned["batch"]) == (24, 12, 12)
    assert set(raced["trade"][0]) == {"alpha", "val", "general", "drawn", "digits"}
    assert {heat["name"] for heat in raced["heats"] if "soup" not in heat["name"]} == {
        "lora",
        "whole",
        "feature adapter",
    }
    load_trained(run / "finetune")
    held = json.loads((run / "evaluate/against_start.json").read_text())
    own = {line["metric"]: line for line in held["own"]}
    assert own["retrieval.pair.mean_recall"]["low"] <= own["retrieval.pair.mean_recall"]["high"]
    assert "retrieval.general.mean_recall" in {line["metric"] for line in held["elsewhere"]["general"]}
    assert {
        name: {line["queries"] for line in its} for name, its in held["elsewhere"].items() if name != "general"
    } == {"drawn": {298}, "digits": {299}}
    assert {line["able"] for line in held["elsewhere"]["digits"]} == {"digits" not in raced["unbound"]}
    manifest = json.loads((run / "package/manifest.json").read_text())
    assert set(manifest["elsewhere"]) == {"general", "drawn", "digits"}
    assert list((root / ".diptych/cache/decoded").iterdir()) == [], "so few pictures stay in memory"
    page = (run / "package/report.html").read_text()
    assert "<h2 id='adapted'>" in page
    assert "0, taken" in page or "1, taken" in page or "5, taken" in page
    assert advice_of(root) == manifest["advice"] != ""
    assert str(root) not in page


@pytest.mark.timeout(900)
def test_the_stages_tell_labels_apart_where_captions_are_no_more(start, tmp_path):
    """The budget is too short to tune, so that weights stay, and what is found is vectors: they are what is measured, and what is served."""
    said = {name: (shape, shape) for name, (_, shape) in paint(tmp_path / "mine", 90).items()}
    write_table(tmp_path / "mine/captions.csv", said)
    root = make_workspace(tmp_path / "job", gates={"max_broken": 0.05})
    place = laid_in(*given_start("start", tmp_path), root)
    choose(root, Choices(recipe="adapted", data="mine", start=place, race={"budget_s": 1.0, "ask": "auto"}), tmp_path)
    kept = yaml.safe_load((root / "params.yaml").read_text())
    kept["recipes"] = {"adapted": kept["recipes"]["adapted"]}
    (root / "params.yaml").write_text(yaml.safe_dump(kept, sort_keys=False))
    ran = dvc(root, "repro")
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    run = root / "runs/adapted"
    raced = json.loads((run / "finetune/adapted.json").read_text())
    assert raced["labels"] == ["circle", "square", "triangle"]
    assert raced["untouched"]
    assert (run / "finetune/weights.safetensors").read_bytes() == (root / place / "weights.safetensors").read_bytes()
    served = Labels.read(run / "package")
    assert (served.set, served.labels) == ("class", ("circle", "square", "triangle"))
    np.testing.assert_array_equal(served.vectors, Labels.read(run / "finetune").vectors)
    measured = json.loads((run / "evaluate/metrics.json").read_text())["zero_shot.pair.class.top1"]
    rows = pq.read_table(run / "evaluate/rows/zero_shot.pair.parquet").to_pylist()
    asked = [row for row in rows if row["set"] == "class"]
    assert measured["n"] == len(asked) == 9
    package = load_trained(run / "package")
    root_pool = read_pool(read_manifest(root / "data/evaluation/pair/manifest.parquet"), root / "data/raw")
    image = package.pictures(root_pool.pictures, silent, "")
    vectors = LabelVectors(vectors=served.vectors, counts=served.counts, sharpness=served.sharpness)
    first = vectors.shares(image, served.logit_scale).argmax(1)
    right = [served.labels[place] == texts[0] for place, texts in zip(first, root_pool.captions, strict=True)]
    assert measured["value"] == pytest.approx(np.mean(right)), "what is served is what was measured"
    held = json.loads((run / "evaluate/against_start.json").read_text())
    own = {line["metric"]: line for line in held["own"]}["zero_shot.pair.class.top1"]
    assert own["low"] <= own["difference"] <= own["high"]
    lost = {line["difference"] for its in held["elsewhere"].values() for line in its}
    assert lost == {0.0}, "no weight has changed"
    page = (run / "package/report.html").read_text()
    assert "which of 3 labels a picture has, circle, square, triangle" in page
    advice = advice_of(root)
    assert "points of top1 here" in advice or "It stays as it was" in advice
    manifest = json.loads((run / "package/manifest.json").read_text())
    assert manifest["signature"]["labels"] == "class"
