"""`diptych evaluate` as a newcomer meets it: anywhere, on models of three libraries, with numbers that can be compared later."""

import gc
import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from components.evaluation import canary
from components.recipes.exported import export_model
from components.recipes.given_model import read_given
from components.recipes.interop import import_model
from flows.cli import main
from flows.evaluate import COLLECT_AFTER, seldom_collected
from tests.squares import COLOURS
from tests.their_sets import write_set

GOLDEN = Path(__file__).parents[1] / "golden" / "transformers"
NAMES = tuple(COLOURS)


@pytest.fixture
def diptych(monkeypatch, capsys, tmp_path):
    """Run the command in this process, in a folder that is no workspace."""
    monkeypatch.chdir(tmp_path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments: object) -> tuple[int, str, str]:
        return main(["evaluate", *map(str, arguments)]), *capsys.readouterr()

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def colours(squares, tmp_path):
    rows = [
        {"png": data, "cls": str(NAMES.index(group["category"])).encode()}
        for data, group in zip(squares.pictures, squares.groups, strict=True)
    ]
    return write_set(tmp_path / "colours", rows, NAMES)


@pytest.fixture
def fitting(squares, tmp_path):
    """A set with a split to fit on, its classes told apart by grey pixels too."""
    rows = [
        {"png": data, "cls": str(NAMES.index(group["category"])).encode()}
        for data, group in zip(squares.pictures, squares.groups, strict=True)
    ]
    write_set(tmp_path / "fitting", rows[::2], NAMES)
    return write_set(tmp_path / "fitting", rows[1::2], NAMES, split="train")


@pytest.fixture
def sayings(squares, tmp_path):
    rows = [
        {"png": data, "txt": f"{name}\nit is {place}".encode()}
        for place, (data, (name,)) in enumerate(zip(squares.pictures, squares.captions, strict=True))
    ]
    return write_set(tmp_path / "sayings", rows)


def test_two_sets_are_measured_and_left_with_a_row_a_query(diptych, colours, sayings, tmp_path):
    code, out, err = diptych(GOLDEN / "clip_gelu", "--set", colours, "--set", sayings, "--to", "found", "--k", 1, 5)
    assert code == 0, err
    assert "colours (test): 50 pictures, 5 classes, 2 templates" in out
    assert "sayings (test): 50 pictures, captions" in out
    assert out.endswith(f"in {tmp_path / 'found'}\n")
    metrics = json.loads((tmp_path / "found/colours/metrics.json").read_text())
    frozen = {"canary.image_to_text.recall_at_1", "canary.text_to_image.recall_at_1", "canary.distance"}
    assert all(metrics[name]["value"] == metrics[name]["baseline"] for name in frozen)
    assert "canary" not in out, "it is as it was, which is no news"
    asked = ("top1", "mean_per_class", "one_prompt.top1")
    assert set(metrics) == {f"zero_shot.colours.class.{name}" for name in asked} | frozen
    top = metrics["zero_shot.colours.class.top1"]
    assert (top["n"], top["chance"], top["baseline"]) == (50, 0.2, 0.2)
    assert top["low"] <= top["value"] <= top["high"]
    assert f"{top['value']:.1%}" in next(line for line in out.splitlines() if " zero_shot.class.top1 " in line)
    metrics = json.loads((tmp_path / "found/sayings/metrics.json").read_text())
    both = ("image_to_text", "text_to_image")
    assert (
        set(metrics)
        == {f"retrieval.sayings.{way}.recall_at_{k}" for way in both for k in (1, 5)}
        | {f"retrieval.sayings.{way}.{of}" for way in both for of in ("median_rank", "mean_average_precision")}
        | {"retrieval.sayings.mean_recall"}
        | frozen
    )
    ways = {its["method"] for name, its in metrics.items() if name not in frozen}
    assert ways == {
        "captions as they are written, by cosine",
        "captions as they are written, by cosine; the mean over 4 recalls",
    }
    about = json.loads((tmp_path / "found/sayings/about.json").read_text())
    assert (about["model"]["library"], about["set"]["pictures"], about["asked"]) == (
        "huggingface",
        50,
        {"ks": [1, 5], "seed": 0},
    )
    rows = pq.read_table(tmp_path / "found/colours/rows/zero_shot.colours.parquet")
    assert rows["first_right"].to_numpy().mean() == pytest.approx(top["value"])
    assert rows["query"].to_pylist()[:1] == ["0/s0000000"]


def test_what_was_measured_is_not_measured_again_and_nothing_is_written_over(diptych, colours, sayings, tmp_path):
    asked = (GOLDEN / "clip_gelu", "--set", colours, "--to", "found")
    first = diptych(*asked)
    stamp = (tmp_path / "found/colours/metrics.json").stat().st_mtime_ns
    code, out, _ = diptych(*asked, "--set", sayings)
    assert code == 0
    assert out.startswith(first[1].removesuffix(f"in {tmp_path / 'found'}\n"))
    assert (tmp_path / "found/colours/metrics.json").stat().st_mtime_ns == stamp
    assert (tmp_path / "found/sayings/metrics.json").exists()
    code, _, err = diptych(GOLDEN / "siglip", "--set", colours, "--to", "found")
    assert (code, err.count("\n")) == (1, 1)
    assert "has numbers of another model, and nothing is written over. Give a new folder with --to" in err
    (colours / "zeroshot_classification_templates.txt").write_text("{c}")
    assert "has numbers of another set and asked" in diptych(*asked)[2]


def test_one_model_has_the_same_numbers_whoevers_folder_it_lies_in(diptych, colours, tmp_path):
    import_model(GOLDEN / "clip_quick_gelu", "huggingface", tmp_path / "ours")
    export_model(tmp_path / "ours", "open_clip", tmp_path / "theirs")
    found = []
    for path in (GOLDEN / "clip_quick_gelu", "ours", "theirs"):
        code, out, err = diptych(path, "--set", colours, "--json")
        assert code == 0, err
        found.append(json.loads(out)["colours"])
    assert [one["model"]["library"] for one in found] == ["huggingface", "diptych", "open_clip"]
    for one in found:  # the same numbers of the same data, from other files of weights
        assert {metric.pop("weights") for metric in one["metrics"].values()} == {one["model"]["sha256"]}
        assert {metric["data"] for metric in one["metrics"].values()} == {one["set"]["digest"]}
    assert found[0]["metrics"] == found[1]["metrics"] == found[2]["metrics"]
    assert not (tmp_path / "found").exists()


def test_the_untrained_model_is_another_of_the_same_kind_and_the_same_at_each_draw():
    given = read_given(GOLDEN / "clip_gelu")
    rows = [given.untrained(seed).texts(["a red square"]) for seed in (0, 0, 1)]
    assert rows[0].tolist() == rows[1].tolist() != rows[2].tolist()
    assert rows[0].tolist() != given.encoder.texts(["a red square"]).tolist()


def twofold(model):
    """Lay a model's files beside themselves, as if they were open_clip's, too."""
    shutil.copy(model / "config.json", model / "open_clip_config.json")
    shutil.copy(model / "model.safetensors", model / "open_clip_model.safetensors")


def test_of_two_libraries_the_file_that_is_named_tells(diptych, colours, tmp_path):
    shutil.copytree(GOLDEN / "clip_gelu", tmp_path / "model")
    twofold(tmp_path / "model")
    code, out, err = diptych("model/model.safetensors", "--set", colours, "--json")
    assert code == 0, err
    assert json.loads(out)["colours"]["model"]["library"] == "huggingface"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda model: (model / "config.json").unlink(), "has neither open_clip_config.json nor config.json, nor model.json"),
        (twofold, "has both open_clip_config.json and config.json, so nobody knows whose model is meant. Name its file of weights in place of the folder, open_clip_model.safetensors or model.safetensors"),
    ],
)  # fmt: skip
def test_whose_model_it_is_must_be_known(diptych, colours, tmp_path, spoil, said):
    shutil.copytree(GOLDEN / "clip_gelu", tmp_path / "model")
    spoil(tmp_path / "model")
    code, out, err = diptych("model", "--set", colours)
    assert (code, out) == (1, "")
    assert said in err
    assert "--from open_clip or --from huggingface" in err


def test_a_broken_picture_is_named(diptych, colours, tmp_path):
    shard = colours / "test/1.tar"
    data = shard.read_bytes()
    at = data.index(b"IHDR", 4096)
    shard.write_bytes(data[:at] + b"XXXX" + data[at + 4 :])
    code, out, err = diptych(GOLDEN / "clip_gelu", "--set", colours, "--to", "found")
    assert (code, out) == (1, "")
    assert "1/s00000" in err
    assert "of colours cannot be shown to the model: the bytes are not a picture" in err
    assert not (tmp_path / "found/colours").exists()


def test_weights_that_give_no_numbers_are_refused(diptych, sayings, tmp_path):
    """Weights that are numbers, and features that are past what a float holds."""
    shutil.copytree(GOLDEN / "clip_gelu", tmp_path / "model")
    weights = load_file(tmp_path / "model/model.safetensors")
    weights["visual_projection.weight"] = 3e38 * np.sign(weights["visual_projection.weight"])
    save_file(weights, tmp_path / "model/model.safetensors")
    code, _, err = diptych("model", "--set", sayings)
    assert code == 1
    assert "no numbers" in err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--k", "0"), "--k is [0], but recall is looked for among the first k"),
        (("--batch", "0"), "--batch is 0"),
        (("--set", "colours"), "two sets are called alike: colours, colours"),
        (("--split", "val"), "has no split 'val'"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_encoded(diptych, colours, more, said):
    code, out, err = diptych(GOLDEN / "clip_gelu", "--set", colours, *more)
    assert (code, out) == (1, "")
    assert err.startswith("diptych: ")
    assert said in err


def test_garbage_is_looked_for_as_before_once_it_has_ended_or_failed():
    before = gc.get_threshold()
    seen = []

    def failing() -> None:
        with seldom_collected():
            seen.append(gc.get_threshold()[0])
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert seen == [COLLECT_AFTER]
    assert gc.get_threshold() == before


def test_another_transform_beside_the_weights_is_another_model(diptych, colours, tmp_path):
    """The weights alone do not decide the numbers: what was measured is not given for what would be another."""
    shutil.copytree(GOLDEN / "clip_gelu", tmp_path / "theirs")
    assert diptych("theirs", "--set", colours, "--to", "found")[0] == 0
    config = tmp_path / "theirs/preprocessor_config.json"
    said = json.loads(config.read_text())
    config.write_text(json.dumps({**said, "image_mean": [0.1, 0.2, 0.3]}))
    code, _, err = diptych("theirs", "--set", colours, "--to", "found")
    assert code == 1
    assert "has numbers of another model" in err


def test_what_was_measured_can_be_studied(diptych, colours, tmp_path, capsys):
    """Two models on one set, by the folders that the command leaves."""
    for name in ("clip_gelu", "clip_quick_gelu"):
        assert diptych(GOLDEN / name, "--set", colours, "--to", name)[0] == 0
    assert main(["study", "clip_gelu/colours", "clip_quick_gelu/colours", "--json"]) == 0
    told = [line for line in json.loads(capsys.readouterr().out) if line["arm"] == "clip_quick_gelu/colours"]
    assert told
    assert all(line["difference"] is not None and line["queries"] == 50 for line in told)


def test_classes_are_told_by_labelled_pictures_where_that_is_asked(diptych, fitting, colours, sayings, tmp_path):
    """Of a split of their own; of part of the split that is measured; and of captions it is said that they are no classes."""
    asked = (GOLDEN / "clip_gelu", "--set", fitting, "--set", colours, "--set", sayings, "--to", "found")
    code, out, err = diptych(*asked, "--fit", "probe", "knn", "few_shot")
    assert code == 0, err
    names = {f"{kind}.fitting.class.top1" for kind in ("probe", "knn")} | {
        f"few_shot.fitting.class.shots_{shots}.top1" for shots in (1, 2, 4)
    }
    metrics = json.loads((tmp_path / "found/fitting/metrics.json").read_text())
    fits = {name: its for name, its in metrics.items() if name.split(".")[0] in ("probe", "knn", "few_shot")}
    assert set(fits) == names
    assert all(its["n"] == 25 and "own split of 25 pictures" in its["method"] for its in fits.values())
    assert fits["probe.fitting.class.top1"]["value"] > 0.5 > fits["probe.fitting.class.top1"]["chance"]
    about = json.loads((tmp_path / "found/fitting/about.json").read_text())
    assert about["set"]["fitted_on"]["split"] == "train"
    assert about["asked"]["fits"] == ["probe", "knn", "few_shot"]
    assert "few_shot.fitting.class.shots_8 is not measured: the class" in out
    other = json.loads((tmp_path / "found/colours/metrics.json").read_text())["probe.colours.class.top1"]
    assert other["n"] == 10
    assert "as colours has one split alone" in other["method"]
    assert "probe.sayings.class is not measured: no picture of sayings has a class" in out
    code, again, _ = diptych(*asked, "--fit", "probe", "knn", "few_shot")
    assert (code, again) == (0, out), "what was not measured is said again"
    assert "another asked" in diptych(*asked)[2] or "another set and asked" in diptych(*asked)[2]


def test_a_broken_picture_of_the_split_to_fit_on_is_named(diptych, fitting):
    shard = fitting / "train/1.tar"
    data = shard.read_bytes()
    at = data.index(b"IHDR", 4096)
    shard.write_bytes(data[:at] + b"XXXX" + data[at + 4 :])
    code, out, err = diptych(GOLDEN / "clip_gelu", "--set", fitting, "--fit", "knn")
    assert (code, out) == (1, "")
    assert "1/s00000" in err
    assert "of fitting, train cannot be shown to the model" in err


def resized_otherwise(monkeypatch) -> None:
    """Plant a drift: pictures are made smaller in another way than when the canary was frozen."""
    plain = Image.Image.resize
    monkeypatch.setattr(
        Image.Image, "resize",
        lambda self, size, resample=None, *rest, **how: plain(self, size, Image.Resampling.BOX, *rest, **how),
    )  # fmt: skip
    canary.frozen.cache_clear()


def test_an_evaluation_that_has_drifted_is_said_and_not_compared(diptych, colours, tmp_path, monkeypatch, capsys):
    assert diptych(GOLDEN / "clip_gelu", "--set", colours, "--to", "then")[0] == 0
    with monkeypatch.context() as later:
        resized_otherwise(later)
        code, out, err = diptych(GOLDEN / "clip_gelu", "--set", colours, "--to", "now")
    canary.frozen.cache_clear()
    assert code == 0, err
    assert "canary.distance is" in out
    assert "when it was frozen: not the evaluation that others had" in out
    assert main(["study", "then/colours", "now/colours"]) == 0
    told = capsys.readouterr().out
    assert "Not compared (measured otherwise, as the canary says): now/colours zero_shot.colours.class.top1" in told


def test_numbers_without_a_canary_are_not_taken_for_alike(diptych, colours, tmp_path, capsys):
    """Folders that were measured before the canary was scored here."""
    for name in ("then", "now"):
        assert diptych(GOLDEN / "clip_gelu", "--set", colours, "--to", name)[0] == 0
    path = tmp_path / "then/colours/metrics.json"
    kept = {name: its for name, its in json.loads(path.read_text()).items() if not name.startswith("canary.")}
    path.write_text(json.dumps(kept))
    assert main(["study", "then/colours", "now/colours"]) == 0
    assert "then/colours was measured without the canary" in capsys.readouterr().out
    code, _, err = diptych(GOLDEN / "clip_gelu", "--set", colours, "--to", "then")
    assert code != 0
    assert "measured without the canary" in err
    assert "Give a new folder with --to" in err
