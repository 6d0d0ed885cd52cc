"""What was begun with other data, numbers or code is gone on with only by a person's word."""

from pathlib import Path

import pytest

from components.stages.resume import ORIGIN, has_something, resume_folder


@pytest.fixture
def place(tmp_path: Path):
    """Return a function from numbers to the resume folder, and the list of what was said."""
    (tmp_path / "pairs").write_text("one\n")
    said: list[str] = []

    def folder(numbers: object) -> Path:
        return resume_folder(tmp_path / "resume", tmp_path, [Path("pairs")], numbers, said.append)

    return folder, said, tmp_path


def test_the_same_is_gone_on_with_and_nothing_is_said(place):
    folder, said, _ = place
    (folder({"lr": 1}) / "kept").write_text("x")
    assert (folder({"lr": 1}) / "kept").exists()
    assert said == []


def test_what_changed_is_said_and_nothing_is_gone_on_with(place):
    folder, said, root = place
    first = folder({"lr": 1})
    (first / "kept").write_text("x")
    assert [path.name for path in folder({"lr": 2}).iterdir()] == [ORIGIN]
    assert len(said) == 1
    assert said[0].startswith(
        f"what was begun as {first.name[:12]} is left, for numbers changed since, and this begins anew."
    )
    assert said[0].endswith(f"set DIPTYCH_RESUME={first.name[:12]}")
    (root / "pairs").write_text("two\n")
    folder({"lr": 1})
    assert len(said) == 1, "the one begun last held nothing, so nothing is lost"


def test_a_person_who_names_it_goes_on_from_it(place, monkeypatch):
    folder, said, root = place
    first = folder({"lr": 1})
    (first / "kept").write_text("x")
    folder({"lr": 2})
    (root / "pairs").write_text("two\n")
    monkeypatch.setenv("DIPTYCH_RESUME", first.name[:12])
    again = folder({"lr": 2})
    assert (again / "kept").read_text() == "x"
    assert again.name != first.name
    assert said[-1] == (
        f"goes on from what was begun as {first.name[:12]}, though data and numbers changed since, as DIPTYCH_RESUME says"
    )
    assert folder({"lr": 2}) == again, "and later runs need no word"


def test_only_the_last_of_others_is_kept(place):
    folder, _, root = place
    for lr in range(4):
        (folder({"lr": lr}) / "kept").write_text("x")
    assert len(list((root / "resume").iterdir())) == 2


def test_a_stage_resumes_from_the_folder_that_was_begun_last_only(place):
    folder, _, root = place
    base = root / "resume"
    assert not has_something(base)
    (folder({"lr": 1}) / "kept").write_text("x")
    assert has_something(base)
    folder({"lr": 2})
    assert not has_something(base)
