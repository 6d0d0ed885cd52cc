"""Clusters come by key from a selection's columns, and only where they are those of the samples that are trained on."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts.errors import DataError
from components.data.clusters import read_clusters


def written(folder: Path, clusters: dict[str, list[int] | None]) -> Path:
    table = pa.table({"key": list(clusters), "clusters": pa.array(list(clusters.values()), pa.list_(pa.int32()))})
    pq.write_table(table, folder / "columns.parquet")
    return folder / "columns.parquet"


def test_they_are_joined_by_key(tmp_path):
    path = written(tmp_path, {"a": [1, 2], "b": [0, 5], "c": [4, 3]})
    assert read_clusters(path, ["c", "a", "b"]) == ((4, 3), (1, 2), (0, 5))


def test_samples_without_and_rows_beside_are_counted(tmp_path):
    path = written(tmp_path, {"a": [1], "b": None, "d": [2], "e": [3]})
    with pytest.raises(
        DataError, match="2 of 3 samples have no clusters, such as 'b', and 2 that have some are not trained on"
    ):
        read_clusters(path, ["a", "b", "c"])
    with pytest.raises(DataError, match="0 of 1 samples have no clusters, and 1 that have some"):
        read_clusters(written(tmp_path, {"a": [1], "b": [2]}), ["a"])


def test_another_number_of_them_is_refused(tmp_path):
    with pytest.raises(DataError, match="samples have 1 to 2 clusters each"):
        read_clusters(written(tmp_path, {"a": [1], "b": [2, 0]}), ["a", "b"])


def test_where_nobody_clustered_the_step_is_named(tmp_path):
    with pytest.raises(DataError, match=r"columns\.parquet of the selection is not there. List the step Cluster"):
        read_clusters(tmp_path / "columns.parquet", ["a"])
    pq.write_table(pa.table({"key": ["a"], "score": [0.5]}), tmp_path / "columns.parquet")
    with pytest.raises(DataError, match=r"has key, score\. List the step Cluster"):
        read_clusters(tmp_path / "columns.parquet", ["a"])
