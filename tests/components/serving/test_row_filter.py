"""A filter leaves the rows that it says, in order, and one that says nothing of use is refused in a sentence."""

import tracemalloc

import numpy as np
import pytest

from components.serving.row_filter import BadFilter, RowFilter, filter_of

SOURCES = ["noto", "openmoji", "noto", "", "twemoji"]
SPLITS = ["train", "val", "val", "val", "train"]
ROWS = RowFilter({"source": SOURCES, "split": SPLITS})


def test_a_row_has_one_of_the_values_in_each_column():
    assert ROWS.rows({"source": ["noto"]}).tolist() == [0, 2]
    assert ROWS.rows({"source": ["twemoji", "noto", "noto"]}).tolist() == [0, 2, 4]
    assert ROWS.rows({"source": ["noto", "openmoji"], "split": ["val"]}).tolist() == [1, 2]


def test_it_says_what_a_loop_says():
    rng = np.random.default_rng(0)
    columns = {name: rng.choice(["", "a", "b", "c", "d"], 500).tolist() for name in ("one", "two", "three")}
    rows = RowFilter(columns)
    for _ in range(50):
        where = {name: rng.choice(["a", "b", "c", "d", "e"], 2).tolist() for name in columns if rng.random() < 0.6}
        right = [at for at in range(500) if all(columns[name][at] in values for name, values in where.items())]
        assert where == {} or rows.rows(where).tolist() == right


def test_a_value_that_nothing_has_leaves_nothing_and_no_filter_leaves_all():
    assert ROWS.rows({"source": ["nobody"]}).tolist() == []
    assert ROWS.rows({"source": [""]}).tolist() == [], "a row without a value has none, not an empty one"
    assert ROWS.rows({}) is None


def test_values_differ_by_what_ends_them_and_one_that_is_long_costs_no_more_than_itself():
    values = ["a", "a\0", "a" * 2_000, *(["b"] * 20_000)]
    tracemalloc.start()
    try:
        rows = RowFilter({"concept": values})
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [rows.rows({"concept": [value]}).tolist() for value in values[:3]] == [[0], [1], [2]]
    assert rows.rows({"concept": ["b"]}).tolist() == list(range(3, 20_003))
    assert most < 10_000_000, "as wide as the longest, all would take 160 MB"


def test_a_filter_is_read_as_the_gateway_has_it():
    assert filter_of('{"source": ["noto"], "split": ["val", "train"]}') == {
        "source": ["noto"],
        "split": ["val", "train"],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"), ("source=noto", "not JSON"), ("[" * 90_000, "not JSON"), ('["source"]', "is list, not an object"), ("null", "is NoneType"),
        ('{"source": "noto"}', "'source' is no list of texts"), ('{"source": [1]}', "no list of texts"), ('{"source": []}', "has 0 values; give 1 to 100"),
        ('{"source": [' + ", ".join(['"x"'] * 101) + "]}", "has 101 values"), ('{"source": ["' + "x" * 100_000 + '"]}', "at most 100,000 are read"),
    ],
)  # fmt: skip
def test_what_is_no_filter_is_refused(text, said):
    with pytest.raises(BadFilter, match=said):
        filter_of(text)


def test_a_column_that_the_package_has_not_is_named_with_those_that_it_has():
    with pytest.raises(BadFilter, match="no column 'licence' to filter by; it has source, split"):
        ROWS.rows({"licence": ["CC0-1.0"]})
    with pytest.raises(BadFilter, match="it has none"):
        RowFilter({}).rows({"source": ["noto"]})
