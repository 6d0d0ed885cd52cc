"""Only what the manifest promises is served."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from components.contracts.errors import StaleArtifact
from components.contracts.sealed import digest_of
from components.serving.labels import LABEL_FILES
from components.serving.package import SERVED_FILES, Package
from tests.components.serving.tiny_package import write_manifest


@pytest.fixture
def copy(package: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(package, tmp_path / "copy"))


def test_whole_package_is_known_by_its_digest(copy: Path) -> None:
    assert Package.verify(copy).digest == write_manifest(copy)


@pytest.mark.parametrize("name", [*SERVED_FILES, *LABEL_FILES])
def test_one_changed_byte_is_found(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(StaleArtifact, match=name):
        Package.verify(copy)


@pytest.mark.parametrize("name", [*SERVED_FILES, *LABEL_FILES])
def test_missing_file_is_found(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(StaleArtifact, match=name):
        Package.verify(copy)


def test_served_file_must_be_in_the_manifest(copy: Path) -> None:
    (copy / "tokenizer.json").unlink()
    write_manifest(copy)
    with pytest.raises(StaleArtifact, match=r"does not list tokenizer\.json"):
        Package.verify(copy)


def test_package_of_before_labels_is_whole_but_classifies_nothing(copy: Path) -> None:
    assert Package.verify(copy).classifies
    for name in LABEL_FILES:
        (copy / name).unlink()
    write_manifest(copy)
    assert not Package.verify(copy).classifies


@pytest.mark.parametrize("name", LABEL_FILES)
def test_half_of_the_labels_is_refused(copy: Path, name: str) -> None:
    (copy / name).unlink()
    write_manifest(copy)
    with pytest.raises(StaleArtifact, match=f"does not list {name}"):
        Package.verify(copy)


def test_edited_manifest_is_found(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "tokenizer.json").write_text("{}")
    manifest["files"]["tokenizer.json"] = hashlib.sha256(b"{}").hexdigest()
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StaleArtifact, match="was edited"):
        Package.verify(copy)


@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"digest": "12", "files": {}}', '{"digest": 5, "files": []}'])
def test_damaged_manifest_is_refused(copy: Path, manifest: str) -> None:
    (copy / "manifest.json").write_text(manifest)
    with pytest.raises(StaleArtifact, match=r"manifest\.json"):
        Package.verify(copy)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname"])
def test_manifest_cannot_name_files_elsewhere(copy: Path, name: str) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"][name] = "0" * 64
    manifest["digest"] = digest_of(manifest["files"])
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StaleArtifact, match="outside the package"):
        Package.verify(copy)


def test_folder_without_manifest_is_no_package(tmp_path: Path) -> None:
    with pytest.raises(StaleArtifact, match=r"holds no manifest\.json"):
        Package.verify(tmp_path)
