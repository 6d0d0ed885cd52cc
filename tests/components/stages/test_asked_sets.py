"""An evaluation set that is a source by itself is read and measured by what the stage reads and measures sets with."""

from dataclasses import replace

import pytest

from components.contracts.asked_set import AskedSet
from components.contracts.errors import DataError
from components.contracts.progress import silent
from components.data.sources.emoji_wheels import LICENCES, TONES
from components.data.transforms.preprocess import Preprocess
from components.evaluation.embedding import Embedder
from components.stages.asked_sets import read_sets
from components.stages.evaluate import joined
from components.stages.stage import Stage
from tests.subjects import subject_of
from tests.their_sets import write_set


@pytest.fixture
def stage(tmp_path):
    return Stage(root=tmp_path, name="evaluate", recipe="clip", progress=silent)


def slices(of, floor):
    return {"class_path": "components.evaluation.slices.Slices", "init_args": {"of": of, "floor": floor}}


def test_skin_tones_are_slices_of_their_set(stage, squares, vocabulary, clip):
    asked = AskedSet(
        source={"name": "emoji_tones", "every": 80, "workers": 1}, evaluators=(slices("subcategory", 15), slices("source", 25))
    )  # fmt: skip
    encoder = Embedder(clip.model.eval(), vocabulary, Preprocess(size=32))
    subject = subject_of(squares, encoder, encoder, {"train": range(50)})
    with read_sets(stage, {"tones": asked}, (1,)) as sets:
        tones = sets["tones"]
        assert (len(tones.pool), len(set(tones.pool.concepts)), tones.without) == (75, 5, "")
        found = joined([(one, subject.on({"tones": tones.pool})) for one in tones.evaluators])
    metrics = {one.name.removeprefix("slices.tones."): one for one in found.metrics}
    by_tone = {f"subcategory.image_to_text.{tone.replace('-', '_')}" for tone in TONES.values()}
    by_hand = {f"source.image_to_text.{who}" for who in LICENCES}
    assert metrics.keys() == by_tone | by_hand | {f"{of}.image_to_text.gap" for of in ("subcategory", "source")}
    assert {metrics[name].n for name in by_tone} == {15}
    assert {metrics[name].n for name in by_hand} == {25}
    assert {round(metrics[name].chance, 6) for name in by_tone | by_hand} == {0.2}
    assert all(metrics[name].low <= metrics[name].value <= metrics[name].high for name in by_tone)
    rows = {row["query"]: row["right"] for row in found.rows["slices.tones"].to_pylist() if row["of"] == "subcategory"}
    gap = metrics["subcategory.image_to_text.gap"]
    assert gap.value == pytest.approx(sum(rows.values()) / 5 - min(rows.values()))
    assert gap.chance > 0, "noise alone makes a worst slice"


def test_a_set_of_nothing_is_said_with_its_name(stage):
    why = "the evaluation set one: it has neither a path nor a source"
    with pytest.raises(DataError, match=why), read_sets(stage, {"one": AskedSet()}, (1,)):
        pass


def test_the_halves_of_a_set_are_of_different_pictures_and_known_apart(stage, tmp_path, squares):
    lay_out(tmp_path / "data/sets/ours", squares)
    asked = {
        half: replace(lay_out(tmp_path / "data/sets/ours", squares), half=half) for half in ("whole", "first", "second")
    }
    with read_sets(stage, asked, (1,)) as sets:
        keys = {half: set(its.pool.keys) for half, its in sets.items()}
        assert min(len(keys["first"]), len(keys["second"])) >= 20
        assert keys["first"].isdisjoint(keys["second"])
        assert keys["first"] | keys["second"] == keys["whole"]
        assert len({its.digest for its in sets.values()}) == 3, "what was measured on one is not of another"
        assert {its.whole_digest for its in sets.values()} == {sets["whole"].digest}
        assert all(set(its.whole.keys) == keys["whole"] for its in sets.values())


def test_the_split_to_fit_on_is_read_where_something_is_fitted(stage, tmp_path, squares, vocabulary, clip):
    colours = tuple(dict.fromkeys(group["category"] for group in squares.groups))
    rows = [
        {"png": data, "cls": str(colours.index(group["category"])).encode()}
        for data, group in zip(squares.pictures, squares.groups, strict=True)
    ]
    folder = write_set(tmp_path / "data/sets/colours", rows[::2], colours)
    probe = {
        "class_path": "components.evaluation.probe.Probe",
        "init_args": {
            "data": {"class_path": "components.evaluation.downstream.of_set.OfSet", "init_args": {"label": "class"}},
            "penalties": [1.0],
        },
    }
    asked = {
        "colours": AskedSet(path="data/sets/colours", evaluators=(probe,)),
        "plain": AskedSet(path="data/sets/colours"),
    }
    with read_sets(stage, asked, (1,)) as sets:
        assert sets["colours"].to_fit is None, "there is no such split yet"
    write_set(folder, rows[1::2], colours, split="train")
    encoder = Embedder(clip.model.eval(), vocabulary, Preprocess(size=32))
    subject = subject_of(squares, encoder, encoder, {"train": range(50)})
    with read_sets(stage, asked, (1,)) as sets:
        assert sets["plain"].to_fit is None, "nothing fits on it"
        its = sets["colours"]
        assert len(its.to_fit) == 25
        assert its.fitted_digest not in ("", its.digest)
        found = joined([(one, subject.on({"colours": its.pool}, {"colours": its.to_fit})) for one in its.evaluators])
    (metric,) = found.metrics
    assert (metric.name, metric.n) == ("probe.colours.class.top1", 25)
    assert "own split of 25 pictures" in metric.method


def lay_out(folder, squares) -> AskedSet:
    """A folder of pictures a colour, with captions beside them."""
    for place, (data, group, (name,)) in enumerate(
        zip(squares.pictures, squares.groups, squares.captions, strict=True)
    ):
        (folder / group["category"]).mkdir(parents=True, exist_ok=True)
        (folder / group["category"] / f"{place}.png").write_bytes(data)
        (folder / group["category"] / f"{place}.txt").write_text(name)
    asks = {
        "class_path": "components.evaluation.zero_shot.ZeroShot",
        "init_args": {"label": "category", "prompts": "label"},
    }
    within = {"class_path": "components.evaluation.calibration.Calibration", "init_args": {"asks": asks}}
    return AskedSet(path="data/sets/ours", source={"name": "folder"}, evaluators=(within,))


def no_picture(folder):
    (folder / "odd").mkdir()


def spoilt_picture(folder):
    (folder / "odd").mkdir()
    (folder / "odd/a.png").write_bytes(b"")


def no_caption(folder):
    for path in (folder / "red").glob("*.txt"):
        path.unlink()


@pytest.mark.parametrize(("spoil", "named"), [(no_picture, "odd"), (spoilt_picture, "odd"), (no_caption, "red")])
def test_a_class_without_a_picture_is_named(stage, tmp_path, squares, spoil, named):
    asked = lay_out(tmp_path / "data/sets/ours", squares)
    with read_sets(stage, {"ours": asked}, (1,)) as sets:
        assert len(sets["ours"].pool) == 50
    spoil(tmp_path / "data/sets/ours")
    why = f"the evaluation set ours: 1 of its classes have no picture that can be measured: {named}\\. "
    with pytest.raises(DataError, match=why), read_sets(stage, {"ours": asked}, (1,)):
        pass


@pytest.mark.parametrize("spoil", [no_picture, spoilt_picture, no_caption])
def test_where_nobody_asks_for_classes_one_without_a_picture_stops_nothing(stage, tmp_path, squares, spoil):
    asked = replace(lay_out(tmp_path / "data/sets/ours", squares), evaluators=())
    spoil(tmp_path / "data/sets/ours")
    with read_sets(stage, {"ours": asked}, (1,)) as sets:
        assert len(sets["ours"].pool) == (40 if spoil is no_caption else 50)


def test_a_hidden_folder_is_no_class(stage, tmp_path, squares):
    asked = lay_out(tmp_path / "data/sets/ours", squares)
    (tmp_path / "data/sets/ours/.ipynb_checkpoints").mkdir()
    with read_sets(stage, {"ours": asked}, (1,)) as sets:
        assert len(sets["ours"].pool) == 50


def test_a_folder_beside_pictures_that_no_folder_tells_apart_is_no_class(stage, tmp_path, squares):
    folder = tmp_path / "data/sets/ours"
    asked = lay_out(folder, squares)
    for path in list(folder.glob("*/*")):
        path.rename(folder / path.name)
    with read_sets(stage, {"ours": asked}, (1,)) as sets:
        assert len(sets["ours"].pool) == 50
