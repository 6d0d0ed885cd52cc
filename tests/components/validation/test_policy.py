"""What becomes of a row is decided in one place, and a person may choose where there is a choice."""

import pytest

from components.contracts.errors import ConfigError
from components.contracts.reasons import REASONS
from components.validation.policy import kept_codes


def test_without_a_policy_each_reason_has_its_own():
    assert kept_codes({}) == {code for code, reason in REASONS.items() if reason.policy == "keep"}


def test_what_params_say_goes_before():
    assert "twin_in_train" in kept_codes({})
    assert "twin_in_train" not in kept_codes({"twin_in_train": "drop"})


def test_a_broken_row_has_no_policy():
    assert not [code for code, reason in REASONS.items() if reason.broken and reason.policy]


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ({"twin_in_tran": "drop"}, "'twin_in_tran', which is no reason of ours.*did you mean twin_in_train"),
        ({"undecodable": "keep"}, "'undecodable', which is always set aside"),
        ({"twin_in_train": "burn"}, "twin_in_train: 'burn'. Say keep .* or drop"),
    ],
)
def test_what_cannot_be_chosen_is_refused_with_what_can(policy, says):
    with pytest.raises(ConfigError, match=says):
        kept_codes(policy)
