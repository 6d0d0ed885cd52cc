"""The suite for data of regions: boxes lie in their pictures, show a pixel at least, and say what they show."""

from typing import Any

from components.validation.held import Expect

EDGES = ("x0", "y0", "x1", "y1")


def regions_suite(expect: Expect) -> None:
    """Say what the rows of data/regions.py have to be."""
    from great_expectations import expectations

    from components.validation.kind_expectations import (
        ExpectAColumnToBeGiven,
        ExpectColumnToHoldNothingPersonal,
        ExpectPictureToHaveTheShapeOf,
        ExpectSpanOfAPixel,
    )

    gxe: Any = expectations  # it lists its classes in no way that mypy can read
    for edge in EDGES:
        expect(gxe.ExpectColumnValuesToNotBeNull, "incomplete", f"{edge} is given", column=edge)
    for edge in EDGES:
        rule = f"{edge} lies in the picture, from 0 to 1"
        expect(gxe.ExpectColumnValuesToBeBetween, "box_outside", rule, column=edge, min_value=0, max_value=1)
    for low, high, side in (("x0", "x1", "width"), ("y0", "y1", "height")):
        rule = f"{low} is less than {high}, by a pixel of the picture at least"
        expect(ExpectSpanOfAPixel, "box_empty", rule, column_list=[low, high, side])
    rule = "the picture has the shape of the one that the boxes were measured on"
    expect(ExpectPictureToHaveTheShapeOf, "box_shape", rule, column_list=["of_width", "of_height", "width", "height"])
    rule = "a label or a text says what the box shows"
    expect(ExpectAColumnToBeGiven, "bad_box", rule, column_list=["label", "text"])
    for column in ("label", "text"):
        rule = f"the {column} of a box holds no e-mail address, phone number or card number"
        expect(ExpectColumnToHoldNothingPersonal, "pii_text", rule, column=column)
