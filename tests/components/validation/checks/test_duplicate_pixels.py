"""Twins on tables small enough to check by eye."""

from components.validation.checks.duplicate_pixels import DuplicatePixels
from tests.rows import found, row, rows


def test_a_territory_flag_that_is_its_country_flag():
    listed = [
        row("no", "Norway", pixel_sha256="aa"),
        row("bv", "Bouvet Island", split="concept", pixel_sha256="aa"),
        row("sj", "Svalbard", split="pair"),
    ]
    findings = DuplicatePixels().find(rows(listed))
    assert [(one.row, one.reason) for one in findings] == [(1, "duplicate_pixels")]
    assert findings[0].detail == "identical to no (train), which is named 'Norway'"


def test_one_of_val_that_is_tested_on_leaves_and_the_tested_one_stays():
    listed = [
        row("saved again", "a red bus", split="val", pixel_sha256="aa"),
        row("bus", "a red bus", split="pair", pixel_sha256="aa"),
        row("elsewhere", "a red bus", split="concept", pixel_sha256="aa"),
        row("one", "a blue bus", split="val", pixel_sha256="bb"),
        row("two", "a blue bus", split="val", pixel_sha256="bb"),
    ]
    findings = DuplicatePixels().find(rows(listed))
    assert [(one.row, one.reason) for one in findings] == [(0, "duplicate_pixels")]
    assert findings[0].detail == "identical to bus (pair), which is named 'a red bus'"


def test_pictures_without_a_fingerprint_are_nobodys_twins():
    nothing = [row("a", pixel_sha256=None), row("b", pixel_sha256=None), row("c", split="val", pixel_sha256=None)]
    assert not found(DuplicatePixels(), nothing)


def test_rows_that_are_not_passed_on_take_nobody_with_them():
    both = rows([row("a", pixel_sha256="aa"), row("b", split="pair", pixel_sha256="aa")])
    assert DuplicatePixels().find(both)
    assert not DuplicatePixels().find(both.without([0]))


def test_twins_in_train_name_each_other():
    findings = DuplicatePixels().find(rows([row(key, pixel_sha256="aa") for key in "abc"]))
    assert [one.detail for one in findings] == [f"identical to {key} (train)" for key in "baa"]
