import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from components.contracts.errors import ConfigError, DataError
from components.contracts.features import Feature, Features
from components.curation.ops.deduplicate import Deduplicate, looks_alike, losers
from components.data.manifest import SCHEMA
from components.validation.near import Nearness, Prints
from tests.benchmarks.validate import drawn_captions
from tests.components.curation import peak
from tests.components.curation.toy import apply, features, row


def said(*captions: str) -> pa.Table:
    texts = [[{"text": caption, "kind": "alt", "lang": "en"}] if caption else [] for caption in captions]
    return pa.Table.from_pylist([row(at, texts=text, size_bytes=at) for at, text in enumerate(texts)], SCHEMA)


def bits(*places: int) -> int:
    return sum(1 << int(place) for place in places)


def prints(hashes: list[int], colours: list[float] | None = None) -> Prints:
    reds = colours or [0.5] * len(hashes)
    return Prints(hashes=np.array(hashes, np.uint64), colours=np.array([[red, 0.5, 0.5] for red in reds]))


def test_the_best_of_each_lot_stays_and_each_way_is_counted():
    rows = [
        row(0, sha256="a", pixel_sha256="p", size_bytes=5), row(1, sha256="a", pixel_sha256="p", size_bytes=5),
        row(2, sha256="b", pixel_sha256="p", size_bytes=9), row(3, sha256="c", pixel_sha256=None), row(4, sha256="d", pixel_sha256=None),
    ]  # fmt: skip
    left, report = apply(Deduplicate(by=("bytes", "pixels")), pa.Table.from_pylist(rows, SCHEMA))
    assert left["key"].to_pylist() == ["k002", "k003", "k004"]
    assert report.dropped == {"same_bytes": 1, "same_pixels": 1}
    assert report.examples == {"same_bytes": ("k001",), "same_pixels": ("k000",)}


def test_what_is_best_may_be_any_column_of_numbers():
    rows = [row(0, sha256="a", width=50), row(1, sha256="a", width=90), row(2, sha256="a", width=None)]
    left, _ = apply(Deduplicate(by=("bytes",), best="width"), pa.Table.from_pylist(rows, SCHEMA))
    assert left["key"].to_pylist() == ["k001"]


def test_likeness_is_no_chain():
    """The second is like the first, and the third like the second alone: it stays, since the second goes."""
    chain = [0, bits(1, 2, 3), bits(1, 2, 3, 4, 5, 6)]
    assert looks_alike(prints(chain), Nearness(bits=4)).tolist() == [1]
    assert looks_alike(prints([chain[1], chain[0], chain[2]]), Nearness(bits=4)).tolist() == [1, 2]


def test_of_ever_so_many_that_look_alike_one_stays():
    draw = np.random.default_rng(0)
    copies = [bits(*draw.choice(64, 2, replace=False)) for _ in range(2000)]  # of 0, two bits off
    assert looks_alike(prints([0, *copies]), Nearness(bits=4)).tolist() == list(range(1, 2001))


def test_other_colours_are_another_picture():
    assert looks_alike(prints([0, 0, 1], [0.1, 0.5, 0.12]), Nearness(bits=4)).tolist() == [2]


def test_no_two_that_are_left_look_alike_and_all_that_went_look_like_one_that_stays():
    draw = np.random.default_rng(3)
    centres = draw.integers(0, 2**63, 60, np.uint64)
    hashes = [
        int(centres[at % 60]) ^ bits(*draw.choice(64, int(draw.integers(0, 5)), replace=False)) for at in range(600)
    ]
    goes = looks_alike(prints(hashes), Nearness(bits=4))
    stays = np.delete(np.arange(600), goes)
    apart = np.bitwise_count(np.array(hashes, np.uint64)[:, None] ^ np.array(hashes, np.uint64)[None, stays])
    assert ((apart <= 4).sum(1)[stays] == 1).all()
    assert (apart.min(1)[goes] <= 4).all()
    assert all((stays[apart[one] <= 4] < one).any() for one in goes)


def test_losers_are_those_that_are_paired_with_one_that_stays():
    assert losers(np.array([[0, 1], [1, 2], [2, 3], [0, 4], [3, 4]])).tolist() == [1, 3, 4]
    assert losers(np.empty((0, 2), np.int64)).tolist() == []


def test_captions_that_differ_in_little_are_said_alike_and_who_has_none_is_like_nobody():
    long = "a small red circle lies left of a very large blue star on a grey table near the window"
    table = said("", long, f"{long}.", long.upper(), "two dogs on a beach at sunset", "", "a cat")
    left, report = apply(Deduplicate(by=("captions",)), table)
    assert left["key"].to_pylist() == ["k000", "k003", "k004", "k005", "k006"]
    assert report.dropped == {"said_alike": 2}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"by": ("byte",)}, "by has 'byte', which is no way"), ({"by": ()}, "by is empty"), ({"bits": 17}, "bits is 17 of 64"),
        ({"bits": -1}, "bits is -1"), ({"memory_mb": 31}, "memory_mb is 31"), ({"alike": 0.0}, "alike is 0.0"), ({"alike": 1.1}, "alike is 1.1"),
    ],
)  # fmt: skip
def test_numbers_that_make_no_sense_are_refused(given, says):
    with pytest.raises(ConfigError, match=says):
        Deduplicate(**given)


def test_a_column_without_numbers_is_no_rule():
    with pytest.raises(ConfigError, match=r"best is 'licence', which holds no numbers. Name one of offset, size_bytes"):
        apply(Deduplicate(by=("bytes",), best="licence"), pa.Table.from_pylist([row(0)], SCHEMA))


def test_pictures_that_cannot_be_decoded_look_like_nothing_that_could_be_said():
    seen = pa.table({
        "key": ["k000"], "perceptual": pa.array([None], pa.uint64()), "colour": pa.array([None], pa.list_(pa.float32(), 3)),
    })  # fmt: skip
    features = Features().plus(Feature(name="prints", model="measure", table=seen))
    with pytest.raises(DataError, match="1 of 1 pictures cannot be decoded"):
        Deduplicate(by=("looks",)).apply(pa.Table.from_pylist([row(0)], SCHEMA), features, 0)


def test_pictures_that_a_model_finds_alike_and_rows_of_the_same_value_go_the_best_stays():
    rows = [row(at, size_bytes=at, labels={"concept": f"c{at // 2}" if at < 4 else None}) for at in range(6)]
    table = pa.Table.from_pylist(rows, SCHEMA)
    keys = table["key"].to_pylist()
    angles = np.radians([0, 90, 180, 185, 182, 270])
    held = features(image=(keys, np.stack([np.cos(angles), np.sin(angles)], 1).tolist()))
    left, report = Deduplicate(by=("embeddings", "values"), model="toy", cosine=0.99, column="concept").apply(
        table, held, 0
    )
    assert report.dropped == {"embedded_alike": 2, "same_value": 1}
    assert report.examples == {"embedded_alike": ("k002", "k003"), "same_value": ("k000",)}
    assert left["key"].to_pylist() == ["k001", "k004", "k005"]


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"by": ["embeddings"]}, "model is '', and goes with 'embeddings' in by"), ({"column": "concept"}, "column is 'concept', and goes with 'values'"),
        ({"by": ["embeddings"], "model": "clip", "cosine": 0}, "cosine is 0"),
    ],
)  # fmt: skip
def test_a_way_goes_with_what_it_needs(numbers, said):
    with pytest.raises(ConfigError, match=said):
        Deduplicate(**numbers)


def test_values_of_no_such_column_are_refused_with_those_there_are():
    with pytest.raises(ConfigError, match=r"column is 'url', but there is no such column\. There are key, split"):
        apply(Deduplicate(by=("values",), column="url"), pa.Table.from_pylist([row(0)], SCHEMA))


def written(folder: Path, count: int) -> None:
    """Write rows of which one in fifty is said like another, and their prints, as tests/components/curation/peak.py reads them."""
    draws = np.random.default_rng(0)
    texts = pa.StructArray.from_arrays([drawn_captions(draws, count)], ["text"])
    listed = pa.ListArray.from_arrays(pa.array(np.arange(count + 1, dtype=np.int32)), texts)
    said = listed.take(
        pa.array(np.where(draws.random(count) < 0.02, draws.integers(0, count, count), np.arange(count)))
    )
    keys = pa.array([f"k{at:07d}" for at in range(count)])
    hashes = pa.array(draws.integers(0, 2**64, count, np.uint64))
    colours = pa.FixedSizeListArray.from_arrays(pa.array(draws.random(3 * count, np.float32)), 3)
    tables = {
        "rows": pa.table({"key": keys, "size_bytes": np.arange(count), "texts": said}),
        "prints": pa.table({"key": keys, "perceptual": hashes, "colour": colours}),
    }
    for name, table in tables.items():
        with pa.OSFile(str(folder / f"{name}.arrow"), "wb") as file, pa.ipc.new_file(file, table.schema) as out:
            out.write_table(table, max_chunksize=10_000)


def test_looking_takes_no_more_memory_than_it_may_and_finds_the_same(tmp_path):
    count, row_bytes = 250_000, 120
    written(tmp_path, count)

    def looked(memory_mb: int) -> dict[str, Any]:
        command = [sys.executable, "-m", peak.__name__, str(tmp_path), str(memory_mb), "looks", "captions"]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    little, ample = looked(32), looked(4096)
    most = 32 + row_bytes * count / 1e6
    assert little["more_mb"] <= most < ample["more_mb"]
    assert little["found"] == ample["found"]
    assert len(little["found"]["said_alike"]) > 0.015 * count
