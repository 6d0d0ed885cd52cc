"""A picture on the list goes, whatever it is called and however it is encoded; a line that is no hash is refused."""

import hashlib
import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.contracts.errors import ConfigError
from components.data.perceptual import perceptual_hash
from components.data.pictures import look, on_white
from components.validation.checks.takedown import Takedown as Check
from components.validation.takedown import Takedown, lines_of, main, read_takedown
from tests.rows import row, rows


def as_jpeg(data: bytes) -> bytes:
    held = io.BytesIO()
    on_white(data).resize((48, 48), Image.Resampling.BICUBIC).save(held, "JPEG", quality=90)
    return held.getvalue()


def test_a_list_in_a_file_takes_pictures_out_of_all_splits(case, make, paint, tmp_path):
    path = tmp_path / "takedown.txt"
    by_looks = f"{perceptual_hash(on_white(paint(3))):016X}"
    path.write_text(
        f"# asked for on Monday\n{hashlib.sha256(paint(1)).hexdigest()}  # a remark\n\n{look(paint(2)).pixel_sha256}\n{by_looks}\n"
    )
    case.ingest(
        [
            make(0), make(1), make(2, data=paint(2, compress_level=0), split="pair"), make(3, data=as_jpeg(paint(3)), split="val"),
            make(4, data=as_jpeg(paint(1))),
        ]
    )  # fmt: skip
    report = case.validate(max_broken=0, takedown=read_takedown(path))
    gone = {row["key"]: row["detail"] for row in pq.read_table(case.validated / "quarantine.parquet").to_pylist()}
    assert set(gone) == {"k1", "k2", "k3"}
    assert by_looks.lower() in gone["k3"]
    assert report["reasons"]["takedown"] == {
        "rows": 3,
        "broken": False,
        "meaning": report["reasons"]["takedown"]["meaning"],
    }


@pytest.mark.parametrize("line", [0, 1, 2])
def test_each_line_that_is_printed_of_a_picture_takes_it_down(line, case, make, paint, tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(paint(1))
    assert main([str(tmp_path / "a.png")]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 3
    (tmp_path / "takedown.txt").write_text(printed[line])
    case.ingest([make(0), make(1)])
    case.validate(takedown=read_takedown(tmp_path / "takedown.txt"))
    assert pq.read_table(case.validated / "quarantine.parquet")["key"].to_pylist() == ["k1"]


def test_of_what_is_no_picture_the_file_is_printed():
    assert lines_of(b"no picture", "a") == f"{hashlib.sha256(b'no picture').hexdigest()}  # a: this file"


def test_it_cannot_be_kept(case):
    with pytest.raises(ConfigError, match="'takedown', which is always set aside"):
        case.validate(policy={"takedown": "keep"})


@pytest.mark.parametrize("line", ["f" * 63, "g" * 64, "abcd", "https://example.org/picture.jpg"])
def test_a_line_that_is_no_hash_is_refused_by_its_number(line, tmp_path):
    path = tmp_path / "takedown.txt"
    path.write_text(f"# remark\n{'0' * 64}\n{line}\n")
    with pytest.raises(
        ConfigError, match=r"takedown.txt, line 3: .* is no hash, so a picture that is to be kept out would stay"
    ):
        read_takedown(path)


def test_the_list_of_the_project_can_be_read_and_an_empty_one_takes_nothing():
    assert read_takedown(Path(__file__).parents[4] / "data/takedown.txt") == Takedown()
    assert not Check().find(rows([row("a"), row("b", perceptual=0)], takedown=Takedown()))
