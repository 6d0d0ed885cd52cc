"""What `diptych adapt` cannot use is said before anything is tuned: what it is, why, and how to mend it."""

import io
import json
import pickle
import re
import shutil
import signal
from pathlib import Path

import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from components.data.transforms.preprocess import Preprocess
from components.recipes.trained import save_trained
from flows.cli import main
from tests.own_pictures import paint, write_table
from tests.squares import described_at_debug

GOLDEN = Path(__file__).parents[1] / "golden/transformers/clip_gelu"


@pytest.fixture
def refused(monkeypatch, capsys, tmp_path):
    """Run the command in this process, in a folder that is no workspace, and return what it says of what it cannot use."""
    monkeypatch.chdir(tmp_path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(start: object, *more: str) -> str:
        assert main(["adapt", "mine", "--from", str(start), "--to", "out", *more]) == 1
        assert not (tmp_path / "out/model").exists()
        return capsys.readouterr().err

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
def theirs(tmp_path):
    return Path(shutil.copytree(GOLDEN, tmp_path / "theirs"))


def show(tmp_path, said, **columns):
    write_table(tmp_path / "captions.csv", said, **columns)
    (tmp_path / "captions.csv").rename(tmp_path / "mine/captions.csv")


def test_a_checkpoint_of_another_architecture_is_told_by_what_differs(refused, theirs, tmp_path):
    weights = load_file(theirs / "model.safetensors")
    name = next(name for name in weights if name.endswith("mlp.fc1.weight"))
    weights[name] = weights[name][:-1]
    save_file(weights, theirs / "model.safetensors")
    said = refused(theirs)
    assert "fc1.weight" in said
    assert not (tmp_path / "out").exists()


def test_pickled_objects_are_not_read_and_how_to_convert_them_is_said(refused, theirs, tmp_path):
    (theirs / "model.safetensors").unlink()
    (theirs / "pytorch_model.bin").write_bytes(pickle.dumps({"model": Path("anything")}))
    said = refused(theirs)
    assert "is no plain pickle of tensors" in said
    assert "save its state_dict() as safetensors" in said
    assert not (tmp_path / "out").exists()


def test_a_pickle_on_its_own_is_refused_as_one_and_not_opened(refused, tmp_path):
    """It would make a file when it is read; and what is said is what helps here, where --from names the model."""
    ran = tmp_path / "ran"
    place = tmp_path / "my model.pt"
    place.write_bytes(pickle.dumps(Opens(ran)))
    said = refused(place)
    assert f"diptych model import '{place}' --from open_clip" in said, "as it can be copied"
    assert "model.pt is a pickle, which may run code when it is read" in said
    assert "weights as safetensors" in said
    assert "--from huggingface" not in said
    assert not ran.exists()
    assert not (tmp_path / "out").exists()


class Opens:
    """What makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (str(self.path), "w"))


def test_more_labels_than_pictures_are_told(refused, start, tmp_path):
    painted = paint(tmp_path / "mine", 24)
    show(
        tmp_path,
        {name: (caption, f"kind {place}") for place, (name, (caption, _)) in enumerate(painted.items())},
        label="label",
    )
    said = refused(start, "--ask", "labels")
    assert "labels and 16 pictures to learn from" in said
    assert "or ask for captions" in said


def test_one_caption_for_all_is_told(refused, start, tmp_path):
    show(tmp_path, {name: ("a shape", shape) for name, (_, shape) in paint(tmp_path / "mine", 24).items()})
    assert "pictures to learn from have one caption" in refused(start)


def test_nothing_left_to_choose_by_where_all_held_out_are_copies_is_told(refused, start, tmp_path):
    """The same pixels in files of other bytes, so that nothing keeps them in one split."""
    (tmp_path / "mine").mkdir()
    picture = Image.effect_noise((48, 48), 64).convert("RGB")
    for place in range(9):
        held = io.BytesIO()
        picture.save(held, "PNG", compress_level=place + 1, pnginfo=None)
        (tmp_path / "mine" / f"{place}.png").write_bytes(held.getvalue() + b"\0" * place)
        (tmp_path / "mine" / f"{place}.txt").write_text(f"the shape number {place}")
    said = refused(start)
    assert "none is left for val and pair" in said
    assert "report.html says what was set aside" in said


def test_a_budget_too_short_for_a_step_says_the_least(refused, start, tmp_path):
    show(tmp_path, paint(tmp_path / "mine", 24))
    said = refused(start, "--budget", "0.01s")
    assert re.search(
        r"there are 0\.01 s, but to try each of 3 ways for 8 steps takes about \S+ s\. Give at least \d+ s,", said
    )


@pytest.mark.parametrize(("more", "says"), [("--most-steps=-1", "most_steps is -1"), ("--recall=-1", "recall is -1.0")])
def test_numbers_that_are_none_are_said_before_anything_is_made(refused, start, tmp_path, more, says):
    assert says in refused(start, more)
    assert not (tmp_path / "out").exists()


def test_fewer_pictures_than_labels_are_told_where_nobody_asked_for_labels(start, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    painted = paint(tmp_path / "mine", 24)
    said = {name: (caption, f"kind {place}") for place, (name, (caption, _)) in enumerate(painted.items())}
    show(tmp_path, said, label="label")
    short = ("--most-steps", "2", "--batch", "8", "--way", "last-layers", "--to", "out")
    assert main(["adapt", "mine", "--from", str(start), *short]) == 0
    found = json.loads((tmp_path / "out/adapted.json").read_text())
    (told,) = [one["sentence"] for one in found["hard"] if one["name"] == "fewer_than_labels"]
    assert told.startswith("There are 20 labels and 16 pictures to learn from, so some labels have none")
    assert "ask for labels (`--ask labels`)" in told
    assert found["metric"] == "retrieval.pair.mean_recall"
    assert main(["adapt", "mine", "--from", str(start), *short[:-1], "captions", "--ask", "captions"]) == 0
    wished = json.loads((tmp_path / "captions/adapted.json").read_text())
    assert "fewer_than_labels" not in [one["name"] for one in wished["hard"]], (
        "whoever asks for captions is told nothing"
    )


def test_what_makes_data_hard_stands_in_what_is_left(start, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    painted = paint(tmp_path / "mine", 24)
    russian = {
        name: (f"картинка {place}, на которой видно вот что", said[1])
        for place, (name, said) in enumerate(painted.items())
    }
    show(tmp_path, russian)
    assert (
        main(
            [
                "adapt",
                "mine",
                "--from",
                str(start),
                "--to",
                "out",
                "--budget",
                "5m",
                "--most-steps",
                "2",
                "--batch",
                "8",
            ]
        )
        == 0
    )
    found = json.loads((tmp_path / "out/adapted.json").read_text())
    names = [one["name"] for one in found["hard"]]
    assert {"few_pictures", "other_language", "long_captions"} <= set(names)
    assert set(found["without"]) == {"lora", "last layers", "whole"}
    assert {heat["name"] for heat in found["heats"]} == {"locked image"}
