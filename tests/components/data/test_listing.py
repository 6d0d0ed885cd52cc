"""Files of a person's own data are known again by names, sizes and times, and by nothing that was made of them."""

import os

import pytest

from components.data.listing import listing
from components.data.sources.catalogue import build_source
from components.data.sources.folder import FolderSource
from components.data.sources.which import describe_path
from tests.own_pictures import paint, write_table


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, (text, _) in paint(tmp_path / "mine", 3).items():
        (tmp_path / "mine" / name).with_suffix(".txt").write_text(text)
    return tmp_path / "mine"


def test_it_differs_when_a_file_came_went_or_changed_and_else_does_not(mine, tmp_path):
    source = FolderSource(path="mine")
    seen = [listing(source, tmp_path / "out")]
    assert listing(FolderSource(path=str(mine)), tmp_path / "out") == seen[0], "however the folder is named"
    paint(mine, 4)
    seen.append(listing(source, tmp_path / "out"))
    (mine / "0003.png").unlink()
    seen.append(listing(source, tmp_path / "out"))
    about = (mine / "0000.txt").stat()
    os.utime(mine / "0000.txt", ns=(about.st_atime_ns, about.st_mtime_ns + 1))
    seen.append(listing(source, tmp_path / "out"))
    assert len(set(seen)) == 4


def test_what_is_made_of_them_may_lie_among_them(mine):
    before = listing(FolderSource(path="mine"), mine / "out")
    (mine / "out").mkdir()
    (mine / "out/adapted.json").write_text("{}")
    assert listing(FolderSource(path="mine"), mine / "out") == before
    assert listing(FolderSource(path="mine"), mine / "elsewhere") != before


def test_they_may_lie_in_the_folder_of_what_is_made_of_them(mine, tmp_path):
    before = listing(FolderSource(path="mine"), tmp_path)
    paint(mine, 4)
    assert listing(FolderSource(path="mine"), tmp_path) != before


def test_of_a_table_in_a_folder_with_much_else_it_is_the_table_and_the_pictures_that_it_names(mine, tmp_path):
    write_table(tmp_path / "captions.csv", {f"mine/{name}": said for name, said in paint(mine, 3).items()})
    described = describe_path(tmp_path / "captions.csv", watched=False)
    assert described["path"] == "captions.csv", "a folder that one stands in is not watched"
    source = build_source(described)
    before = listing(source, tmp_path / "out")
    (tmp_path / "notes.txt").write_text("about something else")
    assert listing(source, tmp_path / "out") == before
    (mine / "0001.png").write_bytes((mine / "0002.png").read_bytes())
    assert listing(source, tmp_path / "out") != before


def test_a_source_that_has_its_own_pictures_has_none(tmp_path):
    assert listing(build_source({"name": "scenes", "pictures": 2}), tmp_path) == ""
