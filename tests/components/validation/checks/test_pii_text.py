"""What is personal is named by its kind, in every text of a row, and is repeated nowhere."""

import pytest

from components.validation.checks.pii_text import PiiText
from tests.rows import row, rows


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["jo@example.org"], "an e-mail address"),
        (["a kite", "call 212-555-0123", "or jo@example.org"], "a phone number and an e-mail address"),
        (["４１１１ １１１１ １１１１ １１１１"], "a card number"),
        (["+49 30 1234567 and +49 30 7654321"], "a phone number"),
    ],
)
def test_the_kinds_are_named(texts, said):
    findings = PiiText().find(rows([row("before"), row("a", *texts), row("after")]))
    assert [(one.row, one.detail) for one in findings] == [(1, f"what is said of it holds {said}")]


def test_no_file_that_validation_writes_repeats_it(case, make, paint):
    mail, phone = "jo@example.org", "+44 20 7946 0958"
    case.ingest(
        [
            make(0),
            make(1, text=f"ask {mail}"),
            make(2, text=f"call {phone}"),
            make(3, data=paint(2), split="pair", text=phone),
        ]
    )
    for policy in ({}, {"pii_text": "keep"}):
        report = case.validate(policy=policy)
        assert "pii_text" in report["told" if policy else "reasons"]
        for path in ("report.html", "report.json", "quarantine.parquet", "told.parquet"):
            held = (case.validated / path).read_bytes()
            assert mail.encode() not in held
            assert phone.encode() not in held
        assert b"ask [e-mail address]" in (case.validated / "report.html").read_bytes()


def test_rows_with_it_are_set_aside_unless_params_say_keep(case, make):
    case.ingest([make(0), make(1, text="ask jo@example.org")])
    report = case.validate(max_broken=0)
    assert (report["clean"], report["broken"], report["reasons"]["pii_text"]["rows"]) == (1, 0, 1)
    kept = case.validate(policy={"pii_text": "keep"})
    assert (kept["clean"], kept["told"]["pii_text"]["rows"]) == (2, 1)
