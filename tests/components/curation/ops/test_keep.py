import pytest

from components.contracts.errors import ConfigError
from components.curation.ops.keep import Keep
from tests.components.curation.toy import apply, manifest


def test_what_fails_and_what_is_not_known_are_counted_apart():
    left, report = apply(Keep("category == 'odd' and subcategory == 'x' or width > 60", "narrow"), manifest(14))
    assert set(left["width"].to_pylist()) == {64, 72, 80}
    assert report.dropped == {"narrow": 6, "narrow: not known": 2}  # odd ones have no subcategory
    assert report.examples["narrow: not known"] == ("k000", "k007")


def test_without_a_reason_the_condition_is_it():
    _, report = apply(Keep("width > 60"), manifest(7))
    assert report.dropped == {"not (width > 60)": 4}


def test_a_list_is_no_column_to_compare():
    with pytest.raises(ConfigError, match="no column 'texts'; did you mean"):
        apply(Keep("texts == 'a'"), manifest(7))
