"""What a selection's columns say of where concepts stand: read by key, and held against the captions."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts.errors import DataError
from components.data.mentions import COLUMN, TYPE, read_mentions

CAPTIONS = (("a red ring",), ("a star", "a heart by a star"))


def written(folder, mentions, keys=("b", "a")):
    """Write columns.parquet, of the samples in another order."""
    rows = [[[{"first": first, "last": last} for first, last in own] for own in sample] for sample in mentions]
    pq.write_table(pa.table({"key": list(keys), COLUMN: pa.array(rows, TYPE)}), folder / "columns.parquet")
    return folder / "columns.parquet"


def test_places_are_joined_by_key(tmp_path):
    path = written(tmp_path, [[[(2, 6)], [(2, 7), (13, 17)]], [[]]])
    assert read_mentions(path, ("a", "b"), CAPTIONS) == (((),), (((2, 6),), ((2, 7), (13, 17))))


@pytest.mark.parametrize("place", [(2, 7), (-1, 3), (3, 3), (4, 2)])
def test_a_place_that_is_none_of_its_caption_is_refused_with_the_sample(place, tmp_path):
    path = written(tmp_path, [[[place], []], [[]]])
    with pytest.raises(
        DataError, match=f"sample b has a mention from character {place[0]} to {place[1]} of a caption of 6"
    ):
        read_mentions(path, ("a", "b"), CAPTIONS)


def test_captions_that_came_after_are_refused(tmp_path):
    path = written(tmp_path, [[[(2, 6)]], [[]]])
    with pytest.raises(DataError, match=r"sample b has 2 captions, and mentions of 1.*Link.*last"):
        read_mentions(path, ("a", "b"), CAPTIONS)


def test_a_selection_in_which_nobody_looked_is_refused_with_what_to_do(tmp_path):
    path = tmp_path / "columns.parquet"
    with pytest.raises(DataError, match=r"columns\.parquet of the selection is not there\. List the step Link"):
        read_mentions(path, ("a",), CAPTIONS[:1])
    pq.write_table(pa.table({"key": ["a"], "words": [3]}), path)
    with pytest.raises(DataError, match=r"of the selection has key, words\. List the step Link"):
        read_mentions(path, ("a",), CAPTIONS[:1])
