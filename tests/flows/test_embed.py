"""`diptych embed` on a folder of pictures with captions."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows.cli import main
from tests.components.serving.tiny_package import COLOURS, make_package, picture


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_package(tmp_path / "package")
    (tmp_path / "mine").mkdir()
    for name, colour in COLOURS.items():
        (tmp_path / "mine" / f"{name}.png").write_bytes(picture(colour))
        (tmp_path / "mine" / f"{name}.txt").write_text(f"a {name} square")
    (tmp_path / "mine" / "silent.png").write_bytes(picture((0, 0, 0)))
    (tmp_path / "mine" / "empty.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_becomes_a_file_and_what_is_no_sample_is_counted(folder, capsys):
    assert main(["embed", "mine", "out.parquet", "--model", "package", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["rows"], said["broken"], said["model"]) == (4, 0, "package")
    assert sum(said["rejected"].values()) == 1
    rows = {row["name"]: row for row in pq.read_table(folder / "out.parquet").to_pylist()}
    assert rows["red.png"]["text"] == "a red square"
    assert len(rows["red.png"]["image_embeds"]) == 16
    assert rows["silent.png"]["text"] is None  # a picture needs no words to be embedded


def test_what_is_said_for_people(folder, capsys):
    assert main(["embed", "mine", "out.parquet", "--model", "package"]) == 0
    said = capsys.readouterr().out
    assert "has 4 rows by package" in said
    assert "1 records were no samples" in said


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["mine", "out.csv", "--model", "package"], "has to end in .parquet"),
        (["mine", "out.parquet"], "not known which to embed with"),
        (["mine", "out.parquet", "--model", "nothing"], "is no model"),
        (["emoji", "out.parquet", "--model", "package"], "data/raw"),
        (["nowhere", "out.parquet", "--model", "package"], "nowhere"),
    ],
)
def test_what_cannot_be_embedded(folder, capsys, arguments, why):
    assert main(["embed", *arguments]) == 1
    assert why in capsys.readouterr().err
    assert not (folder / "out.parquet").exists()
