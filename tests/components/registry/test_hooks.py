"""What is believed of what calls itself MLflow; signatures are made by MLflow's own code."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.webhooks.delivery import _generate_hmac_signature

from components.registry.hooks import MAX_AGE_S, AliasSet, Deliveries, Delivery, Refused, alias_set, verified

NOW = 1_800_000_000
SECRET, OTHER = "s" * 43, "o" * 43


def signed(body: bytes, *, secret: str = SECRET, sent: str = str(NOW), delivery: str = "d1") -> dict[str, str]:
    signature = _generate_hmac_signature(secret, delivery, sent, body.decode())
    return {"x-mlflow-signature": signature, "x-mlflow-delivery-id": delivery, "x-mlflow-timestamp": sent}


def body_of(alias: str = "champion", action: str = "created", entity: str = "model_version_alias") -> bytes:
    data = {"name": "clip", "alias": alias, "version": "3"}
    return json.dumps({"entity": entity, "action": action, "timestamp": "2027", "data": data}).encode()


@pytest.mark.parametrize("secrets", [(SECRET,), (OTHER, SECRET), (SECRET, OTHER)])
def test_what_mlflow_signs_with_any_good_secret_is_believed(secrets):
    body = body_of()
    assert verified(signed(body), body, secrets, NOW) == Delivery(id="d1", sent_at_s=NOW, body=body)


def test_what_is_signed_by_nobody_is_not():
    body = body_of()
    for headers in ({}, signed(body, secret=OTHER), signed(body) | {"x-mlflow-signature": "v1,"}, signed(body_of("x"))):
        with pytest.raises(Refused, match="none of this receiver's secrets") as refused:
            verified(headers, body, (SECRET,), NOW)
        assert refused.value.fault == "forged"
    with pytest.raises(Refused):
        verified(signed(body), body, (), NOW)


@given(st.integers(0, 2), st.integers(0, 200), st.characters(codec="ascii"))
def test_one_other_letter_in_what_is_signed_is_seen(part, at, letter):
    body = body_of()
    parts = ["d1", str(NOW), body.decode()]
    at %= len(parts[part])
    if parts[part][at] == letter:
        return
    parts[part] = parts[part][:at] + letter + parts[part][at + 1 :]
    headers = signed(body) | {"x-mlflow-delivery-id": parts[0], "x-mlflow-timestamp": parts[1]}
    with pytest.raises(Refused) as refused:
        verified(headers, parts[2].encode(), (SECRET,), NOW)
    assert refused.value.fault == "forged"


@pytest.mark.parametrize(("later_s", "good"), [(-MAX_AGE_S - 1, False), (-MAX_AGE_S, True), (MAX_AGE_S, True), (MAX_AGE_S + 1, False)])  # fmt: skip
def test_age_is_looked_at_either_way(later_s, good):
    body = body_of()
    if good:
        assert verified(signed(body), body, (SECRET,), NOW + later_s).id == "d1"
        return
    with pytest.raises(Refused, match=f"{MAX_AGE_S} are believed") as refused:
        verified(signed(body), body, (SECRET,), NOW + later_s)
    assert refused.value.fault == "stale"


@pytest.mark.parametrize("sent", ["", "soon", "1.5", "-1", "٣"])
def test_a_time_that_is_none_is_refused_though_signed(sent):
    with pytest.raises(Refused) as refused:
        verified(signed(b"{}", sent=sent), b"{}", (SECRET,), NOW)
    assert refused.value.fault == "unreadable"


def delivered(body: bytes, delivery: str = "d1", sent_at_s: int = NOW) -> Delivery:
    return Delivery(id=delivery, sent_at_s=sent_at_s, body=body)


def test_an_alias_that_was_set_is_read_and_nothing_else_counts():
    assert alias_set(delivered(body_of())) == AliasSet(model="clip", alias="champion", version="3", delivery="d1")
    assert alias_set(delivered(body_of(action="deleted"))) is None
    assert alias_set(delivered(body_of(entity="prompt_alias"))) is None
    assert alias_set(delivered(body_of().replace(b"clip", b"../clip"))) is None


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"[" * 60_000, b'{"entity": "model_version_alias", "action": "created"}'])  # fmt: skip
def test_a_body_that_says_nothing_is_refused(body):
    with pytest.raises(Refused) as refused:
        alias_set(delivered(body))
    assert refused.value.fault == "unreadable"


def test_deliveries_are_known_after_a_restart_until_they_would_not_be_believed(tmp_path: Path):
    path = tmp_path / "deliveries.sqlite"
    first, second = delivered(b"", "a", NOW - 10), delivered(b"", "b", NOW + MAX_AGE_S)
    for one in (first, second, second):
        Deliveries(path).add(one, NOW)
    again = Deliveries(path)
    assert again.has(first)
    assert again.has(second)
    assert not again.has(delivered(b"", "c"))
    assert len(again) == 2
    again.add(delivered(b"", "d", NOW + MAX_AGE_S), NOW - 10 + MAX_AGE_S + 1)
    assert not again.has(first), "too old to be believed, so it need not be known"
    assert again.has(second)
    assert len(again) == 2
