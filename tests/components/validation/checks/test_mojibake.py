"""Text that was read in the wrong encoding is told from text that only looks foreign."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.validation.checks.mojibake import mended

FOREIGN = "äöüßéèêñçøåÁÉÍÓÚÃÕÇŠžЖдя日本語한국ไทย—“”’…€🙂"


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
@pytest.mark.parametrize("text", ["café", "Zürich – “old town”", "naïve Ärzte", "日本", "Ödön & Ágnes", "🙂 ok", "€ 5"])
def test_what_was_read_wrongly_is_found_and_mended(text, encoding):
    data = text.encode()
    if encoding == "cp1252" and any(byte in data for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D)):
        encoding = "latin-1"
    assert mended(data.decode(encoding)) == text
    assert mended(text) == text


@pytest.mark.parametrize(
    "text", ["NÃO", "Âge d'or", "São João", "“quoted” — so…", "ÄÖÜ", "àéîõü", "ß«»", "Ünïcödé", "£5–£10"]
)
def test_text_that_is_meant_is_left_alone(text):
    assert mended(text) == text


@given(st.text(st.sampled_from(FOREIGN + "abc "), max_size=12))
def test_nothing_is_lost_by_mending_what_is_whole(text):
    wrong = text.encode().decode("latin-1")
    assert mended(wrong) == text or "\\x" in repr(text)


def test_a_row_is_told_of_with_what_is_meant(case, make):
    case.ingest([make(0), make(1, text="cafÃ© de flore"), make(2, text="café de flore")])
    report = case.validate()
    assert (report["told"]["mojibake"]["rows"], report["clean"]) == (1, 3)
