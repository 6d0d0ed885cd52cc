"""The served answers against the package's, on odd samples; and that a difference is found."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.serving.errors import ParityFailed
from components.serving.labels import Labels
from components.serving.odd_samples import odd_pictures, odd_texts
from components.serving.package import Package
from components.serving.parity import check_parity
from components.serving.triton_client import TritonClient
from tests.components.serving.tiny_package import SCALE, make_package, picture, write_manifest


def test_server_equals_its_package(client: TritonClient, package: Path) -> None:
    parity = check_parity(client, Package.verify(package), [picture((200, 100, 0))], ["a red square"])
    assert parity.pictures == len(odd_pictures()) + 1
    assert parity.texts == len(odd_texts()) + 1
    assert min(parity.worst_picture, parity.worst_text) >= 0.9999


def test_other_weights_are_found_and_the_worst_sample_named(client: TritonClient, tmp_path: Path) -> None:
    other = Package.verify(make_package(tmp_path / "other", seed=1))
    with pytest.raises(ParityFailed, match=r"embed_image differs .* has a cosine of -?0\.\d+"):
        check_parity(client, other, [], [])


def test_other_tokenizer_is_found(client: TritonClient, package: Path, tmp_path: Path) -> None:
    other = make_package(tmp_path / "other")
    text = (other / "tokenizer.json").read_text()
    (other / "tokenizer.json").write_text(text.replace('"Lowercase"', '"Strip","strip_left":true,"strip_right":true'))
    kept = Package(path=other, digest="0" * 64, files={})
    with pytest.raises(ParityFailed, match=r"embed_text differs .*'capitals'"):
        check_parity(client, kept, [], [])


def test_other_index_is_found(client: TritonClient, tmp_path: Path) -> None:
    other = make_package(tmp_path / "other")
    np.save(other / "index.npy", -np.load(other / "index.npy"))
    with pytest.raises(ParityFailed, match="image_retrieval scores"):
        check_parity(client, Package(path=other, digest="0" * 64, files={}), [], ["red"])


@pytest.mark.parametrize(
    "changed",
    [{"labels": ("red", "blue", "green")}, {"logit_scale": SCALE / 4}, {"sharpness": 1.0}, {"counts": (2, 1, 1)}],
)
def test_other_labels_are_found(
    client: TritonClient, package: Path, tmp_path: Path, changed: dict[str, object]
) -> None:
    other = Path(shutil.copytree(package, tmp_path / "other"))
    replace(Labels.read(other), **changed).write(other)
    write_manifest(other)
    with pytest.raises(ParityFailed, match="zero_shot_classifier says of"):
        check_parity(client, Package.verify(other), [picture((30, 220, 90))], [])
