"""What evaluators find is put together whole: no number, row or file of one is lost to another."""

import csv
import json
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from components.contracts.errors import ConfigError, Interrupted
from components.contracts.progress import silent
from components.data.ingest import ingest
from components.data.manifest import read_manifest, write_manifest
from components.data.selection import of_split
from components.data.sources.table import PairTable
from components.data.transforms.preprocess import Preprocess
from components.evaluation.calibration import Calibration
from components.evaluation.downstream.digits import Digits
from components.evaluation.embedding import Embedder
from components.evaluation.feature_stats import FeatureStats
from components.evaluation.kept import read, write
from components.evaluation.probe import Probe
from components.evaluation.retrieval import Retrieval
from components.evaluation.robustness import Robustness
from components.evaluation.zero_shot import ZeroShot
from components.evaluation.zero_shot_auc import ZeroShotAuc
from components.recipes.recipe import load_recipe
from components.recipes.trained import save_trained
from components.stages.evaluate import joined, spelled, stamped
from components.stages.evaluate import subject_of as subject_of_stage
from components.stages.stage import Stage
from tests.own_pictures import paint
from tests.squares import described_at_debug
from tests.subjects import part_of, subject_of
from tests.workspace import REPOSITORY

SPLITS = {"train": range(0, 50, 2), "val": range(1, 25, 2), "pair": range(25, 50, 2)}


@pytest.fixture
def subject(squares, vocabulary, clip):
    encoder = Embedder(clip.model.eval(), vocabulary, Preprocess(size=32))
    return subject_of(squares, encoder, encoder, SPLITS)


def of(subject, *evaluators):
    return [(one, subject) for one in evaluators]


def test_everything_is_written_where_it_belongs(subject, tmp_path):
    evaluators = [Retrieval(ks=[1]), ZeroShot(served=True), ZeroShot(label="subcategory"), ZeroShot(label="shape")]
    found = joined(of(subject, *evaluators))
    write(found, tmp_path)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")) == [
        "labels.json", "metrics.json", "rows/retrieval.pair.parquet", "rows/retrieval.val.parquet",
        "rows/zero_shot.pair.parquet", "rows/zero_shot.val.parquet", "without.json",
    ]  # fmt: skip
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert set(metrics) == {metric.name for one in evaluators for metric in one.measure(subject).metrics}
    assert {"value", "chance", "baseline", "n", "method"} <= set(metrics["zero_shot.val.category.top1"])
    assert metrics["retrieval.val.image_to_text.recall_at_1"]["method"] == "captions as they are written, by cosine"
    rows = pq.read_table(tmp_path / "rows/zero_shot.val.parquet").to_pylist()
    assert [row["set"] for row in rows] == ["category"] * 12 + ["subcategory"] * 12
    assert json.loads((tmp_path / "without.json").read_text()) == {
        f"zero_shot.{split}.shape": "no picture has a shape, so there is nothing to choose from"
        for split in ("val", "pair")
    }


def test_pictures_of_one_series_are_one_thing_in_every_split_that_is_measured(tmp_path, clip, vocabulary):
    said = paint(tmp_path / "mine", 80)
    with (tmp_path / "mine/captions.csv").open("w", newline="", encoding="utf-8") as opened:
        named = [(name, caption, f"product {place // 4}") for place, (name, (caption, _)) in enumerate(said.items())]
        csv.writer(opened).writerows([("image", "caption", "group"), *named])
    ingest(PairTable(str(tmp_path / "mine/captions.csv")), tmp_path / "data/raw", 0)
    whole = read_manifest(tmp_path / "data/raw/manifest.parquet")
    (tmp_path / "data/curated/clip").mkdir(parents=True)
    write_manifest(of_split(whole, "train"), tmp_path / "data/curated/clip/manifest.parquet")
    (tmp_path / "model").mkdir()
    save_trained(tmp_path / "model", clip.model, described_at_debug(vocabulary), vocabulary, Preprocess(size=32))
    stage = Stage(root=tmp_path, name="evaluate", recipe="clip", progress=silent)
    pools = {split: of_split(whole, split) for split in ("val", "pair")}
    subject = subject_of_stage(stage, load_recipe(REPOSITORY, "clip", "debug"), 0, tmp_path / "model", pools)
    rows = Retrieval(ks=[1]).measure(subject).rows
    for split, manifest in pools.items():
        asked = [row for row in rows[f"retrieval.{split}"].to_pylist() if row["direction"] == "image_to_text"]
        assert len(asked) == len(manifest)
        assert len({row["group"] for row in asked}) == len(manifest) / 4


def test_why_a_set_is_not_measured_stays_beside_why_another_is_not(squares, subject):
    sets = {
        "plain": subject.on({"plain": replace(part_of(squares, range(10)), groups=())}),
        "digits": subject.on({"digits": part_of(squares, range(5))}),
    }
    asks = ZeroShot(prompts="label", among="pools")
    every = [asks, Calibration(asks), Robustness(["contrast"], [], tuple(sets), asks), ZeroShotAuc(of="shape")]
    found = joined([(one, its) for its in sets.values() for one in every]).without
    none, one = "no picture has a category", "every labelled picture has the category 'red'"
    for name, why in (("plain", none), ("digits", one)):
        for kind in ("zero_shot", "calibration", "robustness"):
            assert found[f"{kind}.{name}.category"] == f"{why}, so there is nothing to choose from"
        assert found[f"zero_shot_auc.{name}.shape"] == "no picture has a shape, so there is nothing to be found"


@pytest.mark.parametrize(
    ("second", "lost"),
    [
        (ZeroShot(prompts="label"), "zero_shot.val.category.top1"),
        (ZeroShot(label="subcategory", served=True), "labels.json"),
    ],
)
def test_what_would_overwrite_another_is_refused(subject, second, lost):
    with pytest.raises(ConfigError, match=f"ZeroShot gives .*{lost}.* a second time"):
        joined(of(subject, ZeroShot(served=True), second))


def test_a_pool_is_embedded_once_for_all(subject, monkeypatch):
    asked = []
    pictures = Embedder.pictures
    monkeypatch.setattr(
        Embedder, "pictures", lambda self, data, *rest: asked.append(len(data)) or pictures(self, data, *rest)
    )
    joined(of(subject, Retrieval(ks=[1]), ZeroShot(), ZeroShot(label="subcategory")))
    assert asked == [12, 13]


def test_each_number_names_the_data_and_the_weights_that_it_is_of(subject):
    found = joined(of(subject, Retrieval((1,)), FeatureStats(splits=["val"])))
    named = {one.name: one for one in stamped(found, {"val": "a" * 64, "pair": "b" * 64}, "c" * 64).metrics}
    assert named["retrieval.val.mean_recall"].data == "a" * 64
    assert named["retrieval.pair.mean_recall"].data == "b" * 64
    assert {one.weights for one in named.values()} == {"c" * 64}
    elsewhere = replace(found, metrics=(replace(found.metrics[0], name="probe.digits.top1"),))
    (probe,) = stamped(elsewhere, {"val": "a" * 64}, "c" * 64).metrics
    assert probe.data not in (None, "a" * 64), "of no split: of all data together"


class Stops(Retrieval):
    """One that is interrupted."""

    def measure(self, subject):
        raise Interrupted("SIGTERM")


def test_what_was_measured_before_an_interruption_is_not_measured_again(subject, tmp_path, monkeypatch):
    evaluators = [Retrieval(ks=[1, 3]), ZeroShot(served=True), ZeroShot(label="shape")]
    whole = joined(of(subject, *evaluators))
    with pytest.raises(Interrupted):
        joined(of(subject, *evaluators[:2], Stops()), tmp_path)
    for one in (Retrieval, ZeroShot):
        asked = one.measure
        monkeypatch.setattr(
            one,
            "measure",
            lambda self, subject, asked=asked: (
                pytest.fail("again") if getattr(self, "label", "") != "shape" else asked(self, subject)
            ),
        )
    again = joined(of(subject, *evaluators), tmp_path)
    assert (again.metrics, again.files, again.without) == (whole.metrics, whole.files, whole.without)
    assert {name: table.to_pylist() for name, table in again.rows.items()} == {
        name: table.to_pylist() for name, table in whole.rows.items()
    }


def test_what_is_written_is_read_back(subject, tmp_path):
    found = stamped(joined(of(subject, Retrieval(ks=[1]), ZeroShot(served=True))), {"val": "a" * 64}, "b" * 64)
    write(found, tmp_path)
    again = read(tmp_path)
    assert (again.metrics, again.without) == (found.metrics, found.without)
    assert again.files == json.loads(json.dumps(found.files))
    assert {name: table.to_pylist() for name, table in again.rows.items()} == {
        name: table.to_pylist() for name, table in found.rows.items()
    }


def test_evaluators_are_spelled_by_class_and_numbers_at_any_depth():
    probe = Probe(Digits(), penalties=(0.1, 1.0))
    said = spelled(probe)
    assert json.loads(json.dumps(said)) == said
    assert said["class"] == "components.evaluation.probe.Probe"
    assert said["data"]["class"] == "components.evaluation.downstream.digits.Digits"
    assert said["penalties"] == [0.1, 1.0]
    assert spelled(Probe(Digits(), penalties=(0.1,))) != said
