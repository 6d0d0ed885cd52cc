"""A picture that was trained on is found in a pool, whatever its file, and named with its twin."""

import io
from dataclasses import replace

import pytest
from PIL import Image

from components.data.seen import see
from components.evaluation.leakage import Leakage
from tests.subjects import Told, subject_of


def again(data, **how):
    """Return the same pixels as another file."""
    out = io.BytesIO()
    Image.open(io.BytesIO(data)).save(out, "PNG", **how)
    return out.getvalue()


def found(squares, splits, pictures=None):
    pool = replace(squares, pictures=pictures or squares.pictures)
    never_asked = Told({}, {})
    return Leakage().measure(subject_of(pool, never_asked, never_asked, splits))


def test_pools_of_their_own_do_not_leak(squares):
    metric, _ = found(squares, {"train": range(20), "val": range(20, 30), "pair": range(30, 50)}).metrics
    assert (metric.name, metric.value, metric.n, metric.chance, metric.baseline) == ("leakage.val", 0.0, 10, 0.0, 0.0)


def test_one_that_was_trained_on_is_found_by_its_pixels_and_named(squares):
    pictures = list(squares.pictures)
    pictures[31] = again(pictures[3], compress_level=0)
    assert pictures[31] != pictures[3]
    leaked = found(squares, {"train": range(20), "pair": range(30, 40)}, pictures)
    assert leaked.metrics[0].value == pytest.approx(1 / 10)
    rows = [row for row in leaked.rows["leakage"].to_pylist() if row["leaked"]]
    assert [(row["query"], row["twin"]) for row in rows] == [(squares.keys[31], squares.keys[3])]
    assert rows[0]["fingerprint"] == see(pictures[3]).pixel_sha256, "for who knows what else was trained on"


def test_bytes_that_are_no_picture_leak_only_into_the_same_bytes(squares):
    pictures = list(squares.pictures)
    pictures[3], pictures[31], pictures[32] = b"no picture", b"no picture", b"none either"
    leaked = found(squares, {"train": range(20), "pair": range(30, 40)}, pictures)
    assert leaked.metrics[0].value == pytest.approx(1 / 10)
