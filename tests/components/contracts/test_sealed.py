"""A folder is what its manifest says, or the difference is named; by sha256sum's own lines."""

import hashlib
import json
from pathlib import Path

import pytest

from components.contracts.errors import StaleArtifact
from components.contracts.sealed import check_files, digest_of, read_sealed, sha256_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"two")
    files = {name: sha256_of(tmp_path / name) for name in ("b", "inner/a")}
    (tmp_path / "manifest.json").write_text(json.dumps({"digest": digest_of(files), "files": files, "seed": 0}))
    return tmp_path


def test_the_digest_is_over_the_lines_that_sha256sum_prints():
    one, two = (hashlib.sha256(data).hexdigest() for data in (b"one", b"two"))
    wanted = hashlib.sha256(f"{two}  b\n{one}  inner/a\n".encode()).hexdigest()
    assert digest_of({"inner/a": one, "b": two}) == digest_of({"b": two, "inner/a": one}) == wanted


def test_a_whole_folder_passes_and_the_rest_of_its_manifest_is_kept(folder):
    manifest = read_sealed(folder)
    check_files(folder, manifest["files"])
    assert manifest["seed"] == 0


def test_a_changed_file_is_named(folder):
    (folder / "inner" / "a").write_bytes(b"other")
    with pytest.raises(StaleArtifact, match=r"inner/a was changed after it was packaged"):
        check_files(folder, read_sealed(folder)["files"])


@pytest.mark.parametrize("name", ["missing", "inner"])
def test_what_is_no_file_is_named(folder, name):
    with pytest.raises(StaleArtifact, match=f"{name} is in the manifest but cannot be read"):
        check_files(folder, {name: "0" * 64})


@pytest.mark.parametrize("name", ["../b", "/etc/hostname", "inner/../../b"])
def test_files_elsewhere_are_never_opened(folder, name):
    with pytest.raises(StaleArtifact, match="lies outside the package"):
        check_files(folder, {name: "0" * 64})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda manifest: manifest["files"].pop("b"), "was edited"),
        (lambda manifest: manifest["files"].update(b=5), "needs a sha256"),
        (lambda manifest: manifest.pop("digest"), "cannot be read"),
    ],
)
def test_an_edited_manifest_is_found(folder, change, said):
    manifest = read_sealed(folder)
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StaleArtifact, match=said):
        read_sealed(folder)
