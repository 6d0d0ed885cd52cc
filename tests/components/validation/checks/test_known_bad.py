"""A picture that is known to be bad goes, and that is said in other words than of one that is to be taken down."""

import hashlib
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.contracts.errors import ConfigError
from components.data.perceptual import perceptual_hash
from components.data.pictures import look, on_white
from components.validation.takedown import Takedown, read_takedown


def test_it_comes_before_the_takedown_list_and_says_which_line(case, make, paint, tmp_path):
    (tmp_path / "known-bad.txt").write_text(
        f"{hashlib.sha256(paint(1)).hexdigest()}\n{look(paint(2)).pixel_sha256}\n{perceptual_hash(on_white(paint(3))):016x}\n"
    )
    (tmp_path / "takedown.txt").write_text(f"{hashlib.sha256(paint(1)).hexdigest()}\n{look(paint(4)).pixel_sha256}\n")
    case.ingest([make(at, split="pair" if at == 2 else "train") for at in range(6)])
    case.validate(
        max_broken=0, takedown=read_takedown(tmp_path / "takedown.txt"), known_bad=read_takedown(tmp_path / "known-bad.txt")
    )  # fmt: skip
    found = {row["key"]: row for row in pq.read_table(case.validated / "quarantine.parquet").to_pylist()}
    assert {key: row["reason"] for key, row in found.items()} == {
        "k1": "known_bad", "k2": "known_bad", "k3": "known_bad", "k4": "takedown",
    }  # fmt: skip
    assert found["k1"]["detail"] == f"data/known-bad.txt lists it: {hashlib.sha256(paint(1)).hexdigest()}"


def test_it_cannot_be_kept(case):
    with pytest.raises(ConfigError, match="'known_bad', which is always set aside"):
        case.validate(policy={"known_bad": "keep"})


def test_the_list_of_the_project_can_be_read_and_is_empty():
    assert read_takedown(Path(__file__).parents[4] / "data/known-bad.txt") == Takedown()
