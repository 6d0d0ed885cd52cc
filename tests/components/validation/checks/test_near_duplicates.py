"""Two sides, each by itself; the very same pixels are another check's."""

import pytest

from components.validation.checks.near_duplicates import NearDuplicates
from tests.rows import found, row, rows


def test_each_finding_names_the_nearest_of_its_own_side():
    listed = [
        row("a", perceptual=0b1111), row("b", perceptual=0b0111), row("c", perceptual=0b0110),
        row("d", split="pair", perceptual=0b1111), row("e", split="val", perceptual=0),
    ]  # fmt: skip
    findings = NearDuplicates().find(rows(listed))
    assert [(one.row, one.detail) for one in findings] == [
        (0, "1 of 64 bits from b (train)"), (1, "1 of 64 bits from a (train)"), (2, "1 of 64 bits from b (train)"),
        (3, "4 of 64 bits from e (val)"), (4, "4 of 64 bits from d (pair)"),
    ]  # fmt: skip


def test_the_same_shape_in_another_colour_is_another_picture():
    red, dark, blue = (0.9, 0.5, 0.5), (0.86, 0.5, 0.5), (0.5, 0.5, 0.9)
    both = [row("a", perceptual=1, colour=red), row("b", perceptual=1, colour=blue)]
    assert not found(NearDuplicates(), both)
    assert set(found(NearDuplicates(), [*both, row("c", perceptual=1, colour=dark)])) == {"a", "c"}


def test_pictures_with_the_very_same_pixels_are_left_to_the_check_for_them():
    assert not found(
        NearDuplicates(), [row("a", perceptual=1, pixel_sha256="x"), row("b", perceptual=1, pixel_sha256="x")]
    )


@pytest.mark.parametrize(("bits", "said"), [(0, {}), (3, {"a": "near_duplicate", "b": "near_duplicate"})])
def test_how_near_is_a_setting(bits, said):
    assert found(NearDuplicates(bits=bits), [row("a", perceptual=0), row("b", perceptual=0b111)]) == said
