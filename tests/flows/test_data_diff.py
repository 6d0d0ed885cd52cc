"""`diptych data diff`: two versions by folder, revision or digest, as a person asks and is told."""

import json
import shutil

import pyarrow.parquet as pq
import pytest

from flows.cli import main
from tests.flows.versioned import commit, names, snapshot, workspace


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """A workspace with two versions of data/raw: in the second k001 is gone, k020 is new and k002 is said otherwise."""
    root = workspace(tmp_path_factory.mktemp("history") / "work", names(20))
    shutil.rmtree(root / "data/raw")
    snapshot(root / "data/raw", [name for name in names(21) if name != "k001"], k002="another")
    commit(root, "second")
    return root


@pytest.fixture
def said(history, monkeypatch, capsys):
    """Run the command in the workspace, and give exit code, output and error."""
    monkeypatch.chdir(history)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["data", "diff", *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_two_revisions_are_told_sample_by_sample(said, tmp_path):
    code, out, err = said("HEAD~1", "HEAD", "--out", str(tmp_path / "diff.parquet"))
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "  added                          1",
        "  removed                        1",
        "  changed                        1",
        "    caption                      1",
        "  same                          18",
        "+ k020",
        "- k001",
        "~ k002  caption: picture k002 -> another",
        f"HEAD~1 has 20 samples, HEAD 20; 10 lie elsewhere in the shards; all are in {tmp_path / 'diff.parquet'}",
    ]
    assert pq.read_table(tmp_path / "diff.parquet")["key"].to_pylist() == ["k001", "k020", "k002"]


def test_a_revision_a_digest_and_a_folder_name_the_same_version(said, history):
    digest = json.loads((history / "data/raw/source.json").read_text())["digest"]
    for one, other in (("HEAD", "data/raw"), (digest, "HEAD"), (digest[:12], "HEAD:data/raw/manifest.parquet")):
        code, out, _ = said(one, other)
        assert code == 0
        assert out.startswith("equal: ")
        assert out.endswith(" have the same 20 samples\n")


def test_the_digest_of_a_version_that_is_gone_from_the_workspace_is_found_in_its_past(said, history, tmp_path):
    before = snapshot(tmp_path / "again", names(20), 20_000)
    digest = json.loads((before / "source.json").read_text())["digest"]
    code, out, _ = said(digest, "data/raw", "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["added"], found["removed"], found["changed"], found["equal"]) == (1, 1, 1, False)
    assert found["reasons"] == {"caption": 1}
    assert digest[:12] in found["before"]


def test_a_digest_that_nobody_has_is_an_error_that_lists_those_there_are(said, history):
    code, out, err = said("deadbeef" * 8, "HEAD")
    digest = json.loads((history / "data/raw/source.json").read_text())["digest"]
    assert (code, out) == (1, "")
    assert "no snapshot or selection with the digest deadbeefdead is in this workspace" in err
    assert f"{digest[:12]} (data/raw)" in err
    assert "dvc fetch" in err


@pytest.mark.parametrize(
    ("one", "message"),
    [
        ("nowhere", "'nowhere' is no path, no revision of git, and no digest. Name a folder such as data/raw"),
        ("HEAD:data/curated/siglip", "HEAD has no data/curated/siglip/manifest.parquet: dvc.lock did not know it then"),
        ("HEAD:../elsewhere", "leads out of the workspace"),
        ("data", "holds no manifest.parquet, so it is no version of data"),
    ],
)
def test_what_names_no_version_is_an_error_that_says_what_would(said, one, message):
    code, out, err = said(one, "HEAD")
    assert (code, out) == (1, "")
    assert message in err


def test_a_version_whose_bytes_are_nowhere_is_an_error_that_says_where_to_get_them(
    history, tmp_path, monkeypatch, capsys
):
    shutil.copytree(history, tmp_path / "clone", symlinks=True)
    shutil.rmtree(tmp_path / "clone/.dvc/cache")
    monkeypatch.chdir(tmp_path / "clone")
    assert main(["data", "diff", "HEAD~1", "data/raw"]) == 1
    assert "the manifest of HEAD~1 is neither in DVC's cache nor in a remote" in (err := capsys.readouterr().err)
    assert "dvc fetch" in err


def test_nothing_is_written_over_and_numbers_make_sense(said, tmp_path):
    (tmp_path / "there.parquet").write_bytes(b"mine")
    code, _, err = said("HEAD", "HEAD~1", "--out", str(tmp_path / "there.parquet"))
    assert code == 1
    assert "is there already, and nothing is written over" in err
    assert "is not called .parquet" in said("HEAD", "HEAD~1", "--out", str(tmp_path / "diff.csv"))[2]
    assert "--rows-at-once is 0" in said("HEAD", "HEAD~1", "--rows-at-once", "0")[2]


def test_outside_of_a_workspace_paths_are_compared_and_nothing_else(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    snapshot(tmp_path / "one", names(8))
    snapshot(tmp_path / "two", names(7))
    assert main(["data", "diff", "one", "two/manifest.parquet"]) == 0
    assert "- k007" in capsys.readouterr().out
    assert main(["data", "diff", "one", "HEAD"]) == 1
    assert "lies in no workspace" in capsys.readouterr().err
