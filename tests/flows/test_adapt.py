"""`diptych adapt` as a person meets it: a folder of pictures, a model, and what came of it."""

import json
import os
import shutil
import signal
from dataclasses import asdict

import pytest
import yaml

from components.data.manifest import read_manifest
from components.data.selection import of_split
from components.data.transforms.preprocess import Preprocess
from components.finetuning.race import Heat
from components.recipes.trained import load_trained, save_trained
from components.serving.labels import Labels
from components.stages import race_steps
from components.stages.heats import HEAT
from components.stages.lock import hold
from components.validation.takedown import LIST
from flows.adapt import DATA, DECODED, LOCK
from flows.adapt_parser import seconds
from flows.adapt_pools import HEATS
from flows.cli import main
from tests.own_pictures import paint, paint_kinds, write_table
from tests.squares import described_at_debug


@pytest.fixture
def diptych(monkeypatch, capsys, tmp_path):
    """Run the command in this process, in a folder that is no workspace."""
    monkeypatch.chdir(tmp_path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments: object) -> tuple[int, str, str]:
        return main(["adapt", *map(str, arguments)]), *capsys.readouterr()

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def start(tmp_path, clip, vocabulary):
    """A model of ours, not yet trained."""
    (tmp_path / "start").mkdir()
    save_trained(tmp_path / "start", clip.model, described_at_debug(vocabulary), vocabulary, Preprocess(size=32))
    return tmp_path / "start"


@pytest.fixture
def mine(tmp_path):
    write_table(tmp_path / "captions.csv", said := paint(tmp_path / "mine", 60))
    (tmp_path / "captions.csv").rename(tmp_path / "mine/captions.csv")
    return said


def test_decoded_pictures_that_are_many_lie_beside_the_heats_and_may_take_what_is_said(
    diptych, start, mine, tmp_path, monkeypatch
):
    monkeypatch.setattr(race_steps, "HELD_BYTES", 0)
    monkeypatch.setenv("DIPTYCH_DECODED_GB", "0.000001")
    code, _, err = diptych("mine", "--from", start, "--to", "out", "--budget", "10m")
    assert code == 1
    assert f"the cache {tmp_path / 'out' / HEATS / DECODED} may hold 0.0 GB. Set DIPTYCH_DECODED_GB to" in err


def test_a_folder_and_a_model_become_a_model_and_a_sentence(diptych, start, mine, tmp_path, monkeypatch):
    monkeypatch.setattr(race_steps, "EPOCHS", 2)
    code, out, err = diptych(
        "mine",
        "--from",
        start,
        "--to",
        "out",
        "--budget",
        "10m",
        "--batch",
        12,
        "--way",
        "lora",
        "--way",
        "last-layers",
    )
    assert code == 0, err
    assert out.splitlines()[0] == "48 pictures to learn from, 6 to choose by, 6 to test on"
    assert "taken for labels" not in out
    assert out.splitlines()[-1] == f"in {tmp_path / 'out'}"
    said = json.loads((tmp_path / "out/adapted.json").read_text())
    assert said["pictures"] == {"train": 48, "val": 6, "pair": 6}
    assert {heat["name"] for heat in said["heats"] if not heat["name"].startswith("soup of ")} == {
        "lora",
        "last layers",
    }
    assert said["start"]["library"] == "diptych"
    assert set(said["trade"][0]) == {"alpha", "val", "general", "drawn", "digits"}, "no --set was named"
    assert {line["metric"].split(".")[1] for line in said["elsewhere"]} == {"general", "drawn", "digits"}
    assert "name sets by --set" not in out
    more = said["more"]
    assert more["asked"] <= 12, "of val and of pair"
    assert f"More pictures of {more['kind']!r} would help most: {more['missed']} of {more['asked']} are missed." in out
    load_trained(tmp_path / "out/model")
    assert not (tmp_path / "out/.heats").exists()
    code, _, err = diptych("mine", "--from", start, "--to", "out")
    assert code == 1
    assert "is there already, and nothing is written over" in err


def test_general_pictures_of_a_folder_are_learnt_from_beside_one_s_own(diptych, start, mine, tmp_path):
    kinds = paint_kinds(tmp_path / "before", range(20))
    write_table(tmp_path / "before/captions.csv", {name: (text, "") for name, text in kinds.items()})
    asked = ("mine", "--from", start, "--batch", 12, "--most-steps", 8, "--replay")
    for share, recalled, says in (("1", "before", "replay is 1.0"), ("0.5", "befor", "no source is called 'befor'")):
        code, _, err = diptych(*asked, share, "--recalled", recalled, "--to", "refused")
        assert code == 1
        assert says in err
        assert not (tmp_path / "refused").exists(), "said before anything is made"
    code, out, err = diptych(
        *asked, 0.5, "--recall", 1, "--recalled", "before", "--way", "lora", "--way", "continued", "--to", "out"
    )
    assert code == 0, err
    assert "which are learnt from again, and what the start says of them is held to. --replay 0" in out
    said = json.loads((tmp_path / "out/adapted.json").read_text())
    assert (said["general"], said["batch"], said["pictures"]["train"]) == (20, 12, 48)
    assert {heat["name"] for heat in said["heats"]} >= {"lora", "continued"}
    recalled = said["recalled"]
    assert (recalled["data"], recalled["pictures"], len(recalled["digest"])) == ("before", 20, 64)
    assert (recalled["replay"], recalled["recall"]) == (0.5, 1.0)
    code, _, err = diptych("mine", "--from", start, "--recalled", "before", "--to", "unused")
    assert code == 1
    assert "neither --recall nor --replay says what for" in err


def test_of_a_run_of_a_workspace_what_it_learnt_from_is_learnt_from_again_unless_somebody_says_otherwise(
    diptych, own, mine, tmp_path, monkeypatch
):
    monkeypatch.setattr("components.stages.unasked.OF_CAPTIONS", (0.5, 16))
    asked = ("mine", "--from", own / "runs/clip/finetune", "--most-steps", 8)
    code, out, err = diptych(*asked, "--to", "out")
    assert code == 0, err
    said = json.loads((tmp_path / "out/adapted.json").read_text())
    trained_on = json.loads((own / "runs/clip/pretrain/metrics.json").read_text())["pictures"]
    assert (said["recalled"]["data"], said["recalled"]["pictures"], said["recalled"]["replay"]) == (
        "data/curated/clip",
        trained_on,
        0.5,
    )
    assert 0 < said["general"] <= trained_on, "without those that are chosen by or tested on"
    assert {heat["name"] for heat in said["heats"]} == {"continued"}
    assert said["batch"] == 16
    training = yaml.safe_load((own / "components/recipes/clip.yaml").read_text())["training"]
    trained_by = training["optimisation"]
    assert said["recalled"]["views"] == training["views"], "what they went through then"
    assert trained_by["optimizer"] == "muon"
    assert trained_by.items() <= said["optimisation"].items(), "with which training goes on"
    assert (
        f"50.0% of each step are general pictures, {trained_on} of data/curated/clip, which are learnt from again. --replay 0"
        in out
    )
    code, _, err = diptych(*asked, "--way", "lora", "--to", "alone")
    assert code == 0, err
    alone = json.loads((tmp_path / "alone/adapted.json").read_text())
    assert alone["optimisation"] is None, "training does not go on"
    code, _, err = diptych(*asked, "--way", "lora", "--recall", 1, "--to", "held")
    assert code == 0, err
    said = json.loads((tmp_path / "held/adapted.json").read_text())["recalled"]
    assert (said["data"], said["replay"]) == ("data/curated/clip", 0.0), "what is recalled is not replayed, too"
    assert "views" not in said, "nor changed"
    assert (alone["general"], "recalled" in alone, alone["batch"]) == (0, False, 48), "all things there are, below 64"


def test_where_captions_are_labels_more_of_a_step_is_what_the_start_learnt_from_and_there_are_more_steps(
    diptych, own, tmp_path, monkeypatch
):
    monkeypatch.setattr("components.stages.unasked.OF_LABELS", (0.75, 12))
    said = paint(tmp_path / "mine", 60)
    write_table(tmp_path / "mine/captions.csv", {name: (f"a {shape}", "") for name, (_, shape) in said.items()})
    asked = ("mine", "--from", own / "runs/clip/finetune", "--most-steps", 8)
    code, out, err = diptych(*asked, "--to", "out")
    assert code == 0, err
    found = json.loads((tmp_path / "out/adapted.json").read_text())
    assert "captions were taken for labels" in out
    assert "which are learnt from again. --replay 0" in out
    assert (found["recalled"]["replay"], found["recalled"]["recall"], found["batch"]) == (0.75, 0.0, 12)
    assert {heat["name"] for heat in found["heats"] if heat["steps"]} >= {"continued"}


def test_what_a_run_learnt_from_and_is_not_whole_any_more_is_left_alone_which_is_said(diptych, own, mine, tmp_path):
    root = tmp_path / "job"
    for folder in ("data/curated", "data/raw", "runs/clip/pretrain", "runs/clip/finetune"):
        shutil.copytree(own / folder, root / folder)
    shutil.copyfile(own / "dvc.lock", root / "dvc.lock")
    for shard in (root / "data/raw/train").rglob("*.tar"):
        shard.unlink()
    asked = ("mine", "--from", root / "runs/clip/finetune", "--most-steps", 8, "--batch", 12)
    code, _, err = diptych(*asked, "--to", "out", "--budget", "10m")
    assert code == 0, err
    assert "learnt from is not all there any more, so it is not learnt from again" in err
    said = json.loads((tmp_path / "out/adapted.json").read_text())
    assert (said["general"], "recalled" in said) == (0, False)
    assert {"lora", "whole"} <= {heat["name"] for heat in said["heats"]}, "what races else"


def test_what_was_taken_down_since_is_not_learnt_from_again(diptych, own, mine, tmp_path):
    root = tmp_path / "job"
    for folder in ("data/curated", "data/raw", "runs/clip/pretrain", "runs/clip/finetune", "flows"):
        shutil.copytree(own / folder, root / folder)
    for name in ("dvc.lock", "dvc.yaml", "params.yaml"):
        shutil.copyfile(own / name, root / name)
    rows = of_split(read_manifest(root / "data/curated/clip/manifest.parquet"), "train").to_pylist()
    (root / LIST).write_text("".join(f"{row['sha256']}  # asked for\n" for row in rows[:5]))
    asked = ("mine", "--from", root / "runs/clip/finetune", "--most-steps", 4, "--batch", 12, "--budget", "10m")
    code, _, err = diptych(*asked, "--to", "out")
    assert code == 0, err
    said = json.loads((tmp_path / "out/adapted.json").read_text())
    assert said["recalled"]["data"] == "data/curated/clip"
    assert said["recalled"]["pictures"] <= len(rows) - 5


def test_a_model_that_lies_where_the_adapted_one_would_is_not_written_over(diptych, start, mine, tmp_path):
    (tmp_path / "out").mkdir()
    start.rename(tmp_path / "out/model")
    was = {path.name: path.read_bytes() for path in (tmp_path / "out/model").iterdir()}
    code, _, err = diptych("mine", "--from", tmp_path / "out/model", "--to", "out", "--most-steps", 2)
    assert code == 1
    assert f"{tmp_path / 'out/model'} is there already" in err
    assert {path.name: path.read_bytes() for path in (tmp_path / "out/model").iterdir()} == was
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model"], "nothing was begun"


def test_whoever_adapts_into_a_folder_has_it_alone(diptych, start, mine, tmp_path):
    (tmp_path / "out" / HEATS).mkdir(parents=True)
    with hold(tmp_path / "out" / HEATS / LOCK, "the other's"):
        code, _, err = diptych("mine", "--from", start, "--to", "out", "--most-steps", 2)
    assert code == 1
    assert f"{tmp_path / 'out'} is already being worked on by process {os.getpid()}" in err
    assert not (tmp_path / "out" / DATA).exists(), "nothing was brought in"


def test_captions_of_another_language_are_tuned_to_as_ever(diptych, own, tmp_path):
    said = paint(tmp_path / "theirs", 60)
    numbers = ("ноль", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять")
    russian = {name: f"фигура {numbers[at // 10]} {numbers[at % 10]} на бумаге" for at, name in enumerate(said)}
    write_table(tmp_path / "theirs/captions.csv", {name: (text, "") for name, text in russian.items()})
    code, _, err = diptych(
        "theirs", "--from", own / "runs/clip/finetune", "--most-steps", 8, "--batch", 12, "--to", "out"
    )
    assert code == 0, err
    found = json.loads((tmp_path / "out/adapted.json").read_text())
    assert "other_language" in {one["name"] for one in found["hard"]}
    assert {heat["name"] for heat in found["heats"]} == {"locked image"}
    assert found["general"] == 0


def test_what_was_begun_goes_on_with_the_same_pictures_alone(diptych, start, mine, tmp_path):
    """A budget that is too short ends it with the pictures brought in; they come anew where they, or the seed, are others, until something was learnt from them."""
    asked = ("mine", "--from", start, "--to", "out", "--budget", "0.01s")
    brought_in = tmp_path / "out/.data/raw/manifest.parquet"

    def seen(*more: object) -> int:
        code, _, err = diptych(*asked, *more)
        assert code == 1
        assert "Give at least" in err
        return brought_in.stat().st_mtime_ns

    first = seen()
    assert seen() == first
    assert (other := seen("--seed", 1)) != first
    more = paint(tmp_path / "mine", 62)
    write_table(tmp_path / "mine/captions.csv", more)
    assert seen("--seed", 1) != other
    assert len(read_manifest(brought_in)) == 62, "none is left out"
    kept = tmp_path / "out/.heats/0123456789abcdef/lora-8"
    kept.mkdir(parents=True)
    (kept / HEAT).write_text(json.dumps(asdict(Heat(name="lora", steps=8, score=0.5, seconds=1.0))))
    before = seen("--seed", 1)
    code, _, err = diptych(*asked)
    assert code == 1
    assert "was begun with other pictures or another seed" in err
    write_table(tmp_path / "mine/captions.csv", dict(list(more.items())[:60]))
    code, _, err = diptych(*asked, "--seed", 1)
    assert code == 1
    assert "the pictures of mine are not those that" in err
    assert "Name a new folder: --to DIR" in err
    assert brought_in.stat().st_mtime_ns == before


def test_what_was_refused_is_mended_in_the_same_folder(diptych, start, tmp_path):
    """One caption for all, then one of each: the same command reads what is written now, also where it was killed while it took the old away."""
    painted = paint(tmp_path / "mine", 24)
    write_table(tmp_path / "mine/captions.csv", {name: ("a shape", shape) for name, (_, shape) in painted.items()})
    asked = ("mine", "--from", start, "--to", "out", "--batch", 8, "--way", "last-layers", "--most-steps", 2)
    code, _, err = diptych(*asked)
    assert code == 1
    assert "have one caption" in err
    (tmp_path / "out/.data/wanted.json").unlink()
    write_table(tmp_path / "mine/captions.csv", painted)
    code, _, err = diptych(*asked)
    assert code == 0, err


def test_too_few_pictures_are_said(diptych, start, tmp_path):
    write_table(tmp_path / "captions.csv", paint(tmp_path / "mine", 2))
    (tmp_path / "captions.csv").rename(tmp_path / "mine/captions.csv")
    code, _, err = diptych("mine", "--from", start, "--to", "out")
    assert code == 1
    assert "Bring at least 6 different pictures" in err


def test_what_is_no_model_is_said_before_anything_is_made(diptych, mine, tmp_path):
    (tmp_path / "nothing").mkdir()
    code, _, err = diptych("mine", "--from", "nothing", "--to", "out")
    assert code == 1
    assert "nobody knows whose model it is" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("said", "wanted"), [("90", 90), ("90s", 90), ("15m", 900), ("1.5h", 5400)])
def test_times_are_read(said, wanted):
    assert seconds(said) == wanted


@pytest.mark.parametrize("said", ["0", "soon", "-5", "5d"])
def test_what_is_no_time_is_said(diptych, said, capsys):
    with pytest.raises(SystemExit):
        diptych("mine", "--from", "start", "--to", "out", f"--budget={said}")
    assert "is no time. Give seconds, minutes or hours" in capsys.readouterr().err


def test_captions_that_are_labels_end_in_labels_that_a_server_reads(diptych, start, tmp_path, monkeypatch):
    said = {name: (shape, shape) for name, (_, shape) in paint(tmp_path / "mine", 90).items()}
    write_table(tmp_path / "mine/captions.csv", said)
    code, out, err = diptych("mine", "--from", start, "--to", "out", "--budget", "1s")
    assert code == 0, err
    assert (
        "captions were taken for labels, of which there are 3 (circle, square, triangle): what is asked of a picture is which it has. --ask captions asks"
        in out
    )
    assert "  linear probe" in out
    assert "points of top1 here" in out or "It stays as it was" in out
    labels = Labels.read(tmp_path / "out")
    assert labels.labels == ("circle", "square", "triangle")
    found = json.loads((tmp_path / "out/adapted.json").read_text())
    assert found["metric"] == "zero_shot.pair.class.top1"
    assert found["vectors"] is None or found["vectors"]["counts"] == list(labels.counts)
