import pyarrow as pa
import pytest

from components.curation.ops.keep import Keep
from components.curation.ops.measure import Measure
from components.data.manifest import SCHEMA
from tests.components.curation.toy import apply, row


def texts(*said: str) -> list[dict[str, str]]:
    return [{"text": text, "kind": "alt", "lang": "en"} for text in said]


@pytest.fixture
def measured():
    rows = [
        row(0, texts=texts("a red", "Red red RED fish"), width=30, height=60, size_bytes=900),
        row(1, texts=texts("红 heart"), width=10, height=10, size_bytes=100),
        row(2, texts=texts("123 456"), width=None, height=None),
        row(3, texts=[]),
        row(4, texts=None),
    ]
    table, report = apply(Measure(), pa.Table.from_pylist(rows, SCHEMA))
    return table.to_pylist(), report


def test_texts_are_counted_by_the_longest(measured):
    rows, _ = measured
    assert [one["texts_count"] for one in rows] == [2, 1, 1, 0, 0]
    assert [one["words"] for one in rows] == [4, 2, 2, 0, 0]
    assert [one["characters"] for one in rows] == [16, 7, 7, 0, 0]
    assert [one["repeated"] for one in rows] == [0.5, 0, 0, 0, 0]
    assert [one["latin"] for one in rows] == [1.0, 5 / 6, None, None, None]


def test_words_stand_between_white_space_of_any_script():
    said = [
        "a\u00a0dog",
        "\u3000赤い\u3000\u3000丸\u2009と\u202fred\u3000",
        " \u00a0 ",
        "",
        None,
        "a\tred\nred\u2028red dog",
    ]
    table, _ = apply(
        Measure(), pa.Table.from_pylist([row(at, texts=texts(one)) for at, one in enumerate(said)], SCHEMA)
    )
    assert table["words"].to_pylist() == [2, 4, 0, 0, 0, 5]
    assert table["repeated"].to_pylist() == [0, 0, 0, 0, 0, pytest.approx(0.4)]
    kept, _ = apply(Keep(where="words >= 2"), table)
    assert kept["key"].to_pylist() == ["k000", "k001", "k005"]


def test_files_are_counted_where_the_picture_could_be_decoded(measured):
    rows, report = measured
    assert [(one["pixels"], one["short_side"], one["aspect"]) for one in rows[:3]] == [
        (1800, 30, 2.0),
        (100, 10, 1.0),
        (None, None, None),
    ]
    assert [one["bits_per_pixel"] for one in rows[:3]] == [4.0, 8.0, None]
    assert report.stats["mean words"] == 8 / 5


def test_pictures_are_looked_at_only_where_it_is_asked():
    assert Measure().features == ()
    table, _ = apply(Measure(pictures=True), pa.Table.from_pylist([row(0)], SCHEMA))
    assert table["contrast"].null_count == 0


def test_measuring_again_writes_the_columns_anew(measured):
    table, _ = apply(Measure(), pa.Table.from_pylist([row(0)], SCHEMA))
    again, _ = apply(Measure(), table)
    assert again.equals(table)
