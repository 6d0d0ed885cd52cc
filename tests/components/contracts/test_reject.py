"""A record that did not come in says which it is and why, by a code that the report can explain."""

import re

import pytest

from components.contracts.reasons import INGEST, ORDER, REASONS, VALIDATE
from components.contracts.reject import Reject

SAID = {"key": "a.tar/1", "member": "a.tar/1.jpg", "reason": "zero_bytes", "detail": "0 bytes"}


@pytest.mark.parametrize("code", [code for code, its in REASONS.items() if INGEST in its.found_by])
def test_every_reason_of_ingest_can_be_given(code):
    assert Reject(**{**SAID, "reason": code}).reason == code


@pytest.mark.parametrize(
    "code", ["because", "", *(code for code, its in REASONS.items() if its.found_by == (VALIDATE,))]
)
def test_a_reason_that_ingest_does_not_give_is_refused_with_those_it_does(code):
    with pytest.raises(ValueError, match=r"which is no reason of ingest\. Give one of all_bad_shard, shard_truncated"):
        Reject(**{**SAID, "reason": code})


@pytest.mark.parametrize("empty", ["key", "member", "detail"])
def test_a_reject_that_does_not_say_which_record_or_why_is_refused(empty):
    with pytest.raises(ValueError, match="does not say all of key, member and detail"):
        Reject(**{**SAID, empty: ""})


def test_reasons_have_a_place_a_meaning_and_a_step():
    assert list(ORDER.values()) == list(range(len(REASONS)))
    for code, its in REASONS.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]+", code)
        assert its.meaning
        assert set(its.found_by) <= {INGEST, VALIDATE}
        assert its.found_by
