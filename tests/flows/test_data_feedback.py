"""Thumbs of a page as rows: the last of a person counts, and what people differ about is no negative."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.contracts.errors import DataError
from components.serving.gateway.feedback import feedback_file
from flows.data.feedback import data_feedback


def given(root: Path, *thumbs: tuple[str | None, str, str, str]) -> None:
    path = feedback_file(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {"by": by, "query": query, "key": key, "vote": vote, "version": "clip@1", "space": "0", "at": "2026-01-01"}
        for by, query, key, vote in thumbs
    ]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def test_thumbs_become_rows_and_negatives(tmp_path):
    given(
        tmp_path, ("anna", "red", "a", "up"), ("anna", "red", "b", "up"), ("anna", "red", "b", "down"), ("ben", "red", "a", "down"),
        ("carl", "a\u2028b\x85", "a", "up"),
        (None, "blue", "c", "down"), (None, "blue", "c", "down"),
    )  # fmt: skip
    said = data_feedback(tmp_path, tmp_path / "out")
    judged = pq.read_table(tmp_path / "out/judged.parquet").to_pylist()
    assert [(row["by"], row["query"], row["key"], row["right"]) for row in judged] == [
        ("anna", "red", "a", True), ("anna", "red", "b", False), ("ben", "red", "a", False), ("carl", "a\u2028b\x85", "a", True), (None, "blue", "c", False),
    ]  # fmt: skip
    assert pq.read_table(tmp_path / "out/negatives.parquet").to_pylist() == [
        {"text": "blue", "key": "c"},
        {"text": "red", "key": "b"},
    ]
    assert "5 judged pairs, 2 of which fit, and 2 negatives" in said
    with pytest.raises(DataError, match="is there already"):
        data_feedback(tmp_path, tmp_path / "out")


def test_no_thumbs_and_lines_that_are_none(tmp_path):
    with pytest.raises(DataError, match="nobody has given a thumb"):
        data_feedback(tmp_path, tmp_path / "out")
    given(tmp_path, (None, "red", "a", "up"), (None, "red", "a", "sideways"))
    with pytest.raises(DataError, match="line 2 of"):
        data_feedback(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
