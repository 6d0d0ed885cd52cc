"""What a step of adapting has beside one's own pictures, where nobody says so: by what the start was trained, and whether captions are labels."""

import shutil
from dataclasses import replace

import pytest

from components.contracts.errors import DataError
from components.contracts.progress import silent
from components.data.selection import Pool
from components.recipes.given_model import read_given
from components.stages.learnt import Learnt
from components.stages.unasked import OF_CAPTIONS, OF_LABELS, ROOM
from flows.adapt import Asked
from flows.adapt_general import Beside

SHAPES = ("circle", "square", "triangle", "star")


@pytest.fixture(scope="module")
def run(own):
    return own / "runs/clip/finetune"


@pytest.fixture(scope="module")
def encoder(run):
    return read_given(run).encoder


@pytest.fixture
def broken(own, tmp_path):
    """The start's folder in a workspace whose dvc.lock has two sides of a merge."""
    root = tmp_path / "job"
    for folder in ("data/curated/clip", "runs/clip/pretrain", "runs/clip/finetune"):
        shutil.copytree(own / folder, root / folder)
    (root / "dvc.lock").write_text("<<<<<<< ours\nstages: {}\n=======\nstages: {}\n>>>>>>> theirs\n")
    return root / "runs/clip/finetune"


def said(*captions):
    names = tuple(map(str, range(len(captions))))
    return Pool(
        keys=names, pictures=tuple(name.encode() for name in names), captions=tuple((text,) for text in captions), concepts=captions, sources=names,
    )  # fmt: skip


def labels(count):
    """Return eight pictures of each of so many labels to learn from, and two to choose by."""
    names = [f"a {SHAPES[at % 4]} of row {at // 4}" for at in range(count)]
    return {"train": said(*names * 8), "val": said(*names * 2)}


CAPTIONS = {
    "train": said(*(f"a {shape} with {count} dots" for shape in SHAPES for count in range(15))),
    "val": said(*(f"a {shape} with {count} lines" for shape in SHAPES for count in range(5))),
}


def beside(asked, pools, tmp_path, encoder):
    return Beside.of(asked, tmp_path, tmp_path, silent).fit(asked, pools, encoder)


@pytest.mark.parametrize(
    ("pools", "more", "wanted"),
    [
        (CAPTIONS, {}, OF_CAPTIONS),
        (labels(8), {}, OF_LABELS),
        (labels(8), {"ask": "captions"}, OF_CAPTIONS),
        (labels(ROOM), {}, OF_LABELS),
        (labels(ROOM + 1), {}, OF_CAPTIONS),
        (labels(8), {"batch": 48}, (OF_LABELS[0], 48)),
        (CAPTIONS, {"batch": 48}, (OF_CAPTIONS[0], 48)),
    ],
)
def test_a_step_is_one_of_labels_where_it_has_room_for_each_and_else_one_of_captions(
    run, encoder, tmp_path, pools, more, wanted
):
    found = beside(Asked(data="mine", start=run, **more), pools, tmp_path, encoder)
    assert ((found.replay, found.batch), found.ways) == (wanted, ("continued",))
    assert found.pool is not None
    assert found.as_trained == Learnt.of(run).optimisation
    assert found.recall(0.0).views == Learnt.of(run).views is not None


def test_training_goes_on_as_it_was_trained_also_where_other_pictures_or_none_are_replayed(run, encoder, tmp_path):
    asked = Asked(data="mine", start=run, ways=("continued",))
    alone = beside(asked, CAPTIONS, tmp_path, encoder)
    assert (alone.pool, alone.replay, alone.as_trained) == (None, 0.0, Learnt.of(run).optimisation)
    scenes = beside(replace(asked, replay=0.5, recalled="scenes"), CAPTIONS, tmp_path, encoder)
    assert (scenes.named, scenes.as_trained) == ("scenes", alone.as_trained)
    assert scenes.recall(0.0).views is None, "it has not learnt from these"


def test_where_dvc_lock_cannot_be_read_that_is_said_and_nothing_is_replayed(broken, encoder, tmp_path, capsys):
    with pytest.raises(DataError, match=r"(?s)dvc\.lock cannot be read: .*git checkout dvc\.lock"):
        Learnt.of(broken)
    found = beside(Asked(data="mine", start=broken), CAPTIONS, tmp_path, encoder)
    assert (found.replay, found.pool, found.as_trained, len(found.ways)) == (0.0, None, None, 4)
    assert "so it is not learnt from again: " in capsys.readouterr().err
    beside(Asked(data="mine", start=broken, replay=0.0), CAPTIONS, tmp_path, encoder)
    assert capsys.readouterr().err == "", "nobody asked"
