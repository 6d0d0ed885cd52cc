"""The suite for data of documents: pictures stand in their order, and a document in one split."""

from typing import Any

from components.validation.held import Expect


def documents_suite(expect: Expect) -> None:
    """Say what the rows of data/documents.py have to be."""
    from great_expectations import expectations

    from components.validation.expectations import ExpectColumnToBeOneWithin, ExpectColumnToRiseWithin

    gxe: Any = expectations  # it lists its classes in no way that mypy can read
    for column in ("document", "place"):
        expect(gxe.ExpectColumnValuesToNotBeNull, "incomplete", f"{column} is given", column=column)
    for column, what in (("place", "a picture's place"), ("text_place", "a text's place")):
        expect(gxe.ExpectColumnValuesToBeBetween, "bad_document", f"{what} is at least 0", column=column, min_value=0)
    expect(ExpectColumnToRiseWithin, "bad_document", "places rise in a document", column_A="document", column_B="place")
    expect(
        ExpectColumnToBeOneWithin, "document_split", "a document is in one split", column_A="document", column_B="split"
    )
