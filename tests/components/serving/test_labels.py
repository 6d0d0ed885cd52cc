"""What a package says of its labels is what they were measured with."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.contracts.errors import DataError, StaleArtifact
from components.serving.labels import LABEL_FILES, Labels, measured_labels

AXES = {"an animal": 0, "a cat": 1, "food": 2}


def encode(texts: Sequence[str]) -> np.ndarray:
    """Each prompt is a direction of its own."""
    return np.eye(3, dtype=np.float32)[[AXES[text] for text in texts]]


def evaluated(folder: Path, **changed: object) -> Path:
    about = {
        "set": "category", "templates": ["{}", "a picture of {}"], "labels": ["Food", "Animals"],
        "prompts": {"Animals": ["an animal", "a cat"], "Food": ["food"]},
    }  # fmt: skip
    path = folder / "evaluated.json"
    path.write_text(json.dumps(about | changed))
    return path


def test_vectors_are_of_the_very_prompts_that_were_measured(tmp_path):
    labels = measured_labels(evaluated(tmp_path), encode, 3, 14.0)
    assert (labels.set, labels.labels, labels.templates) == (
        "category",
        ("Food", "Animals"),
        ("{}", "a picture of {}"),
    )
    np.testing.assert_allclose(labels.vectors, [[0, 0, 1], [0.5**0.5, 0.5**0.5, 0]], rtol=1e-6)


def test_prompts_whose_shares_are_summed_keep_a_vector_each(tmp_path):
    labels = measured_labels(evaluated(tmp_path, join="sum"), encode, 3, 14.0)
    assert labels.counts == (1, 2)
    np.testing.assert_array_equal(labels.vectors, np.eye(3)[[2, 0, 1]])
    labels.write(tmp_path)
    assert Labels.read(tmp_path).counts == (1, 2)


def test_a_package_of_before_has_one_vector_a_label(tmp_path):
    measured_labels(evaluated(tmp_path), encode, 3, 14.0).write(tmp_path)
    about = json.loads((tmp_path / "labels.json").read_text())
    del about["counts"]
    (tmp_path / "labels.json").write_text(json.dumps(about))
    assert Labels.read(tmp_path).counts == (1, 1)


@pytest.mark.parametrize("counts", [[2, 1], [2], [2, 0], [0, 2], [1, 1, 1]])
def test_counts_that_are_not_those_of_the_rows_are_refused(tmp_path, counts):
    measured_labels(evaluated(tmp_path), encode, 3, 14.0).write(tmp_path)
    about = json.loads((tmp_path / "labels.json").read_text())
    (tmp_path / "labels.json").write_text(json.dumps(about | {"counts": counts}))
    with pytest.raises(StaleArtifact, match="do not fit"):
        Labels.read(tmp_path)


def test_what_is_written_is_read(tmp_path):
    labels = measured_labels(evaluated(tmp_path, sharpness=0.6), encode, 3, 14.0)
    labels.write(tmp_path)
    assert json.loads((tmp_path / "labels.json").read_text()) == {
        "set": "category", "templates": ["{}", "a picture of {}"], "labels": ["Food", "Animals"], "logit_scale": 14.0,
        "sharpness": 0.6, "counts": [1, 1],
    }  # fmt: skip
    kept = np.load(tmp_path / "labels.npy", allow_pickle=False)
    assert (kept.dtype, kept.shape) == (np.float32, (2, 3))
    found = Labels.read(tmp_path)
    assert replace(found, vectors=labels.vectors) == labels
    np.testing.assert_array_equal(found.vectors, labels.vectors)


def test_labels_of_before_have_the_learned_scale(tmp_path):
    measured_labels(evaluated(tmp_path, sharpness=0.6), encode, 3, 14.0).write(tmp_path)
    about = json.loads((tmp_path / "labels.json").read_text())
    del about["sharpness"]
    (tmp_path / "labels.json").write_text(json.dumps(about))
    assert Labels.read(tmp_path).sharpness == 1


def test_data_without_labels_leaves_the_scale_to_score_any_with(tmp_path):
    labels = measured_labels(tmp_path / "absent.json", encode, 3, 14.0)
    labels.write(tmp_path)
    found = Labels.read(tmp_path)
    assert (found.set, found.labels, found.templates, found.logit_scale) == (None, (), ("{}",), 14.0)
    assert found.vectors.shape == (0, 3)


@pytest.mark.parametrize(
    "changed",
    [
        {"prompts": {"Food": ["food"]}},
        {"prompts": {"Animals": [], "Food": ["food"]}},
        {"labels": ["Food", "Food"]},
        {"templates": ["a picture"]},
    ],
)
def test_labels_nobody_could_have_measured_are_refused(tmp_path, changed):
    with pytest.raises(DataError, match=r"evaluated\.json needs different labels"):
        measured_labels(evaluated(tmp_path, **changed), encode, 3, 14.0)


@pytest.mark.parametrize("name", LABEL_FILES)
def test_one_file_without_the_other_is_refused(tmp_path, name):
    measured_labels(evaluated(tmp_path), encode, 3, 14.0).write(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(StaleArtifact, match="cannot be read"):
        Labels.read(tmp_path)


@pytest.mark.parametrize("rows", [np.eye(3, dtype=np.float32), np.eye(2, 3), 2 * np.eye(2, 3, dtype=np.float32)])
def test_rows_that_are_not_the_labels_are_refused(tmp_path, rows):
    measured_labels(evaluated(tmp_path), encode, 3, 14.0).write(tmp_path)
    np.save(tmp_path / "labels.npy", rows)
    with pytest.raises(StaleArtifact, match="do not fit"):
        Labels.read(tmp_path)
