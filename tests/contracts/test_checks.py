"""What every check of the data must do, whichever it is: each row of components/validation/catalogue.yaml is held to it."""

import random
from pathlib import Path

import pytest

from components.contracts.reasons import REASONS
from components.validation.check import Check, all_checks, build_check, read_catalogue
from tests.planted import PLANTED, Plant
from tests.rows import rows

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "components" / "validation" / "checks"
CATALOGUE = read_catalogue()


@pytest.fixture(params=sorted(CATALOGUE))
def name(request) -> str:
    return request.param


@pytest.fixture
def check(name) -> Check:
    return build_check(CATALOGUE[name])


@pytest.fixture
def plant(name) -> Plant:
    return PLANTED[name]()


def told(check: Check, listed: list[dict]) -> set[tuple[str, str]]:
    return {(listed[finding.row]["key"], finding.reason) for finding in check.find(rows(listed))}


def test_rows_of_the_catalogue_and_files_agree():
    assert {path.stem for path in FOLDER.glob("*.py")} - {"__init__"} == set(CATALOGUE) == set(PLANTED)
    for name, entry in CATALOGUE.items():
        assert entry.class_path.startswith(f"components.validation.checks.{name}.")
        assert entry.about
        assert (REPOSITORY / f"tests/components/validation/checks/test_{name}.py").exists()
    assert [type(check).__name__ for check in all_checks()] == [
        entry.class_path.rpartition(".")[2] for entry in CATALOGUE.values()
    ]


def test_no_reason_of_the_catalogue_counts_as_broken():
    """Whole rows are not broken; what the suite finds is."""
    for entry in CATALOGUE.values():
        assert entry.reasons
        assert not [code for code in entry.reasons if REASONS[code].broken]


def test_planted_defects_are_found_and_nothing_else(check, plant):
    findings = check.find(rows(plant.rows))
    assert {plant.rows[finding.row]["key"]: finding.reason for finding in findings} == plant.defects
    assert len(findings) == len(plant.defects)
    assert all(finding.detail for finding in findings)


def test_every_reason_of_the_row_is_planted(name, plant):
    assert set(plant.defects.values()) == set(CATALOGUE[name].reasons)


def test_sound_rows_alone_are_left_alone(check, plant):
    sound = [one for one in plant.rows if one["key"] not in plant.defects]
    assert len(sound) >= 2
    assert told(check, sound) == set()


def test_the_order_of_the_rows_changes_nothing(check, plant):
    turned = plant.rows[::-1]
    random.Random(3).shuffle(turned)
    assert told(check, turned) == told(check, plant.rows)


def test_places_are_those_of_the_whole_manifest(check, plant):
    """Rows before it that are gone move no finding to another row."""
    listed = [plant.rows[0], *plant.rows]
    findings = check.find(rows(listed).without([0]))
    assert {(listed[finding.row]["key"], finding.reason) for finding in findings} == set(plant.defects.items())


def test_no_rows_give_no_findings(check):
    assert check.find(rows([])) == []


def test_asking_twice_gives_the_same_and_changes_no_row(check, plant):
    asked = rows(plant.rows)
    before = asked.manifest.to_pylist(), asked.measured.to_pylist()
    assert check.find(asked) == check.find(asked)
    assert (asked.manifest.to_pylist(), asked.measured.to_pylist()) == before
