"""An evaluation set that is a source by itself is read and measured by what the stage reads and measures sets with."""

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
