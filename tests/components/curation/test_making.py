import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import silent
from components.curation.making import Making, digest_of
from components.curation.pieces import InProcess
from components.data.shards import BrokenMember, open_pictures
from components.serving.bulk import Given, embed_all
from components.serving.embedder import open_embedder
from components.serving.package import Package
from tests.components.curation.toy import manifest
from tests.components.serving.tiny_package import COLOURS, make_package, picture
from tests.shards import write_shard


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_package(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def model(folder):
    return open_embedder("tiny", folder.parent, None, threads=1)


@pytest.fixture
def rows(tmp_path):
    """Three samples whose pictures, of one colour each, lie in a shard."""
    pictures = [picture(colour) for colour in COLOURS.values()]
    write_shard(tmp_path / "raw/train/000000.tar", [(f"{at}.png", data) for at, data in enumerate(pictures)])
    tar = (tmp_path / "raw/train/000000.tar").read_bytes()
    table = manifest(3)
    columns = {
        "offset": pa.array([tar.index(data) for data in pictures]),
        "size_bytes": pa.array([len(data) for data in pictures]),
        "sha256": pa.array([hashlib.sha256(data).hexdigest() for data in pictures]),
    }
    for name, column in columns.items():
        table = table.set_column(table.column_names.index(name), name, column)
    return table


@pytest.fixture
def making(tmp_path, model):
    return Making(tmp_path / "raw", {"tiny": lambda: model}, tmp_path / "cache", InProcess(silent))


def test_pictures_and_texts_are_what_the_model_says_of_them(making, model, rows):
    images = making.make("tiny.image", rows, pa.array([]))
    texts = making.make("tiny.text", rows, pa.array(["a red square", "blue"]))
    assert images.table["key"].to_pylist() == rows["key"].to_pylist()
    assert texts.table["key"].to_pylist() == ["a red square", "blue"]
    said = model.pictures([picture(colour) for colour in COLOURS.values()])
    np.testing.assert_allclose(
        np.array(images.table["vector"].to_pylist()), said, rtol=2e-3, atol=1e-3
    )  # half precision
    assert images.model == texts.model == model.name


def test_vectors_are_those_that_diptych_embed_writes(tmp_path, folder, model, rows):
    """130 pictures are three pieces, by two threads: the same to the last bit of half precision."""
    table = pa.concat_tables([rows] * 43 + [rows.slice(0, 1)])
    pictures = [data for _, data in open_pictures(tmp_path / "raw", table)]
    keys = [f"k{at}" for at in range(len(table))]
    table = table.set_column(0, "key", pa.array(keys))
    making = Making(tmp_path / "raw", {"tiny": lambda: model}, tmp_path / "cache", InProcess(silent, processes=2))
    features = making.make("tiny.image", table, pa.array([])).table
    samples = [Given(key=key, name=key, picture=data, text=None) for key, data in zip(keys, pictures, strict=True)]
    embed_all(samples, Package.verify(folder), "tiny", tmp_path / "rows.parquet", threads=2)
    written = pq.read_table(tmp_path / "rows.parquet")
    assert features["key"].to_pylist() == written["key"].to_pylist() == keys
    there = np.array(written["image_embeds"].to_pylist(), np.float32).astype(np.float16)
    np.testing.assert_array_equal(np.array(features["vector"].to_pylist(), np.float16), there)


def test_what_decoding_gives_needs_no_model(making, rows):
    prints = making.make("prints", rows, pa.array([])).table
    assert prints["perceptual"].null_count == 0
    np.testing.assert_allclose(prints["colour"].to_pylist()[0], np.array(COLOURS["red"]) / 255, atol=0.01)


def test_what_was_made_is_kept_and_a_file_that_was_damaged_is_named(making, rows, tmp_path):
    made = making.make("tiny.image", rows, pa.array([]))
    (path,) = (tmp_path / "cache").iterdir()
    (tmp_path / "raw/train/000000.tar").unlink()
    assert making.make("tiny.image", rows, pa.array([])).table.equals(made.table)
    with pytest.raises(BrokenMember):
        making.make("tiny.image", rows.slice(1), pa.array([]))
    path.write_bytes(b"no parquet")
    with pytest.raises(DataError, match=r"cannot be read as Parquet .* Delete it; it is made again"):
        making.make("tiny.image", rows, pa.array([]))


@pytest.mark.parametrize("name", ["clip.image", "tiny.sound", "tiny"])
def test_a_name_that_nobody_makes_is_refused(making, rows, name):
    with pytest.raises(ConfigError, match=f"asks for the features '{name}', and curation.models names tiny"):
        making.make(name, rows, pa.array(["a"]))


def test_another_model_order_or_content_has_another_name():
    shown = [("a", "1"), ("b", "2")]
    names = {
        digest_of(*given) for given in (("m", shown), ("n", shown), ("m", shown[::-1]), ("m", shown[:1]), ("m", [("a", "1"), ("b2", "")]))
    }  # fmt: skip
    assert len(names) == 5
    assert digest_of("m", iter(shown)) == digest_of("m", shown)
