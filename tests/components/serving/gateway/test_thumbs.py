"""From a thumb on the page to a number of an evaluation, and to a negative in a batch of training."""

import hashlib

import pyarrow as pa
import pytest

from components.contracts.asked_set import AskedSet
from components.contracts.errors import ConfigError
from components.contracts.progress import silent
from components.data.batches import StepBatches
from components.data.judged import read_negatives
from components.data.rows.decoded import decode_pairs
from components.data.samplers.distinct import DistinctBatches
from components.data.selection import read_pool
from components.data.transforms.preprocess import Preprocess
from components.data.transforms.views import Views
from components.serving.gateway.feedback import feedback_file
from components.stages.asked_sets import read_sets
from components.stages.evaluate import joined
from components.stages.stage import Stage
from flows.data.feedback import data_feedback
from tests.components.curation.toy import manifest
from tests.components.serving.tiny_package import COLOURS, picture
from tests.shards import write_shard
from tests.subjects import Told, subject_of

THUMBS = (("red", "key-red", "up"), ("red", "key-blue", "down"), ("a green thing", "key-green", "down"))


@pytest.fixture
def given(start, workspace):
    """Thumbs that somebody gave on real HTTP."""
    feedback_file(workspace).unlink(missing_ok=True)
    client = start()
    for query, key, vote in THUMBS:
        body = {"query": query, "key": key, "vote": vote, "model": "tiny@1"}
        assert client.post("/v1/feedback", json=body).json() == {"kept": True}


@pytest.fixture
def rows(tmp_path):
    """The three pictures of the served index, in a shard, and a grey one: red and blue are held out, green and grey are learnt from."""
    pictures = [picture(colour) for colour in (*COLOURS.values(), (128, 128, 128))]
    write_shard(tmp_path / "data/raw/train/000000.tar", [(f"{at}.png", data) for at, data in enumerate(pictures)])
    tar = (tmp_path / "data/raw/train/000000.tar").read_bytes()
    table = manifest(4)
    columns = {
        "key": pa.array([f"key-{colour}" for colour in (*COLOURS, "grey")]),
        "offset": pa.array([tar.index(data) for data in pictures]),
        "size_bytes": pa.array([len(data) for data in pictures]),
        "sha256": pa.array([hashlib.sha256(data).hexdigest() for data in pictures]),
    }
    for name, column in columns.items():
        table = table.set_column(table.column_names.index(name), name, column)
    return table


def test_a_click_becomes_a_metric_and_a_negative(given, workspace, rows, tmp_path, vocabulary):
    out = tmp_path / "data/sets/thumbs"
    # the gateway's workspace is shared by tests, so what it kept is taken to one of our own
    feedback_file(tmp_path).parent.mkdir(parents=True)
    feedback_file(tmp_path).write_bytes(feedback_file(workspace).read_bytes())
    said = data_feedback(tmp_path, out).splitlines()
    assert "evaluation: {sets: {thumbs: {path: data/sets/thumbs}}}" in said[2]
    digest = said[3].partition('digest: "')[2][:12]

    red, green, blue, grey = (rows.slice(at, 1) for at in range(4))
    stage = Stage(root=tmp_path, name="evaluate", recipe="clip", progress=silent)
    told = Told(
        {picture(colour): colour for colour in COLOURS.values()}, {"red": (1, 0, 0.1), "a green thing": (0, 1, 0)}
    )
    asked, held = {"thumbs": AskedSet(path="data/sets/thumbs")}, {"val": red, "pair": blue}
    with read_sets(stage, asked, (1,), held) as sets:
        thumbs = sets["thumbs"]
        subject = subject_of(thumbs.pool, told, told, {"train": []}).on({"thumbs": thumbs.pool})
        found = joined([(one, subject) for one in thumbs.evaluators])
    metrics = {one.name: one for one in found.metrics}
    assert {name: one.value for name, one in metrics.items()} == {
        "judged.thumbs.fits.recall_at_1": 1.0, "judged.thumbs.misfits.within_1": 0.0, "judged.thumbs.preferred": 1.0,
    }  # fmt: skip
    assert [(row["query"], row["vote"], row["rank"]) for row in found.rows["judged.thumbs"].to_pylist()] == [
        ("red → key-red", "up", 1), ("red → key-blue", "down", 2),
    ]  # fmt: skip
    assert thumbs.without == "left out: 1 (thumbs for pictures that are not held out)"

    negatives = read_negatives(out / "negatives.parquet", digest)
    train = read_pool(pa.concat_tables([green, grey]), tmp_path / "data/raw")
    pairs = decode_pairs(train, Preprocess(size=20), silent)
    order = DistinctBatches(pairs.concepts, 2, 0)
    batch = StepBatches(pairs, vocabulary, Views(pixels=16), order, seed=0, negatives=negatives)[0]
    wrong = batch.texts["negative"]
    assert [batch.keys[owner] for owner in wrong.owner] == ["key-green"]
    assert wrong.ids[0].tolist() == vocabulary(["a green thing"]).ids[0][: wrong.ids.shape[1]].tolist()
    with pytest.raises(ConfigError, match=f'digest to "{digest}" if these are meant'):
        read_negatives(out / "negatives.parquet", "0" * 12)
