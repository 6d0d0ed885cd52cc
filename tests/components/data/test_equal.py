"""What stood there before is what comparing all with all finds, whatever the hashes are."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.equal import again, again_by, hashed, taken

texts = st.lists(st.one_of(st.none(), st.text(alphabet="ab塔\0 ", max_size=20)), max_size=30)


def by_hand(values: list[object]) -> list[int]:
    return [at for at, value in enumerate(values) if value is not None and value in values[:at]]


def chunked(values: list[object], kind: pa.DataType, rows: int) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values[at : at + rows], kind) for at in range(0, len(values), rows)], kind)


@given(texts, st.integers(1, 7), st.integers(1, 9), st.randoms())
def test_of_rows_in_any_order_those_that_came_before_are_found(values, rows, at_once, random):
    ranked = random.sample(range(len(values)), random.randint(0, len(values)))
    found = again(chunked(values, pa.string(), rows), np.array(ranked, np.int64), at_once)
    assert found.tolist() == by_hand([values[at] for at in ranked])


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.int64(), [3, None, 3, -3, 33, None, 3]), (pa.float64(), [0.1, 0.1, 1e300, 0.10000001]), (pa.bool_(), [True, None, False, True]),
        (pa.binary(), [b"\xff", b"", b"\xff\x00", b"\xff", b""]), (pa.large_string(), ["a", "a"]), (pa.dictionary(pa.int8(), pa.string()), ["a", "b", "a"]),
    ],
)  # fmt: skip
def test_values_of_any_kind_are_told_apart(kind, values):
    assert again(chunked(values, kind, 4), np.arange(len(values))).tolist() == by_hand(values)


@given(st.lists(st.text(alphabet="abc", max_size=3), max_size=30), st.integers(1, 5))
def test_values_that_share_a_hash_are_told_apart_all_the_same(values, at_once):
    found = again_by(np.zeros(len(values), np.uint64), lambda some: pa.array(values, pa.string()).take(some), at_once)
    assert found.tolist() == by_hand(values)


def test_a_hash_is_of_the_bytes_and_not_of_where_they_lie():
    values = ["", "a", "a\0", "12345678", "12345678a", "a12345678", "123456781234567", *map(str, range(5000))]
    alone = np.concatenate([hashed(pa.array([value])) for value in values[:20]])
    among = hashed(pa.array(["x", None, *values]).slice(2))
    assert (among[:20] == alone).all()
    assert len(np.unique(among)) == len(values)
    assert np.abs(np.unpackbits(among.view(np.uint8)).reshape(-1, 64).mean(0) - 0.5).max() < 0.05  # each bit is drawn


def test_values_are_taken_over_chunks():
    values = chunked([[n] * (n % 3) for n in range(20)], pa.list_(pa.int64()), 3)
    places = np.array([19, 0, 0, 7, 13, 2])
    assert taken(values, places).to_pylist() == [values[int(at)].as_py() for at in places]
    assert len(taken(values, places[:0])) == 0
