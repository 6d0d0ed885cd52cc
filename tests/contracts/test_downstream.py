"""What every set to fit on must give, whichever it is: each row of components/evaluation/downstream/catalogue.yaml is held to it."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from components.contracts.evaluator import Downstream, Labelled
from components.recipes.section import build
from infra.stage_code import stage_code
from tests.subjects import Told, subject_of

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "components/evaluation/downstream"
CATALOGUE = yaml.safe_load((FOLDER / "catalogue.yaml").read_text())


@pytest.fixture
def found(squares, request) -> dict[str, Labelled]:
    told = Told(dict.fromkeys(squares.pictures, (1.0, 2.0)), {})
    subject = subject_of(squares, told, told, {"train": [0], "val": range(50)})
    return build(CATALOGUE[request.param], Downstream).of(subject)


each = pytest.mark.parametrize("found", sorted(CATALOGUE), indirect=True)


@each
def test_every_class_has_pictures_in_every_part(found):
    assert found
    for data in found.values():
        assert len(data.pictures) == len(data.keys) == len(data.labels) == len(data.parts)
        assert len(set(data.keys)) == len(data.keys)
        assert len(data.groups) in (0, len(data.keys))
        met = Counter(zip(data.labels, data.parts, strict=True))
        assert set(met) == {(label, part) for label in set(data.labels) for part in ("train", "val", "test")}
        assert len(set(data.labels)) > 1


@each
def test_no_thing_is_of_two_parts(found):
    for data in found.values():
        parts: dict[str, set[str]] = {}
        for about, part in zip(data.groups or data.keys, data.parts, strict=True):
            parts.setdefault(about, set()).add(part)
        assert all(len(its) == 1 for its in parts.values())


@each
def test_the_digest_is_of_pictures_labels_and_parts(found):
    for data in found.values():
        turned = Labelled(pictures=data.pictures, keys=data.keys, labels=data.labels, parts=data.parts[::-1])
        assert not np.array_equal(turned.parts, data.parts)
        assert turned.digest != data.digest


@each
def test_names_can_be_of_metrics(found):
    assert all(name.replace(".", "_").isidentifier() for name in found)


def test_files_and_rows_agree_and_evaluate_depends_on_them():
    assert {path.stem for path in FOLDER.glob("*.py")} - {"__init__"} == set(CATALOGUE)
    assert all(row["class_path"].split(".")[-2] == name for name, row in CATALOGUE.items())
    assert {f"components/evaluation/downstream/{name}.py" for name in CATALOGUE} <= set(
        stage_code(REPOSITORY, "evaluate")
    )
