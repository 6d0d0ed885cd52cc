import pytest

from components.data.language import fits_script


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("red heart", "en"),
        ("médaille d’or", "fr"),
        ("赤いハート", "ja"),
        ("ATM", "ja"),
        ("빨간색 하트", "ko"),
        ("红心", "zh"),
        ("красное сердце", "ru"),
        ("قلب أحمر", "ar"),
        ("دل قرمز", "fa"),
        ("100", "en"),
        ("", "en"),
        ("красное 红心", "und"),
        ("Japanese 「空」 button", "en"),
    ],
)
def test_what_is_written_right_fits(text, lang):
    assert fits_script(text, lang)


@pytest.mark.parametrize(
    ("text", "lang"), [("赤いハート", "en"), ("красное", "de"), ("قلب", "ru"), ("빨간색", "ja"), ("сердце", "zh")]
)
def test_swapped_columns_do_not_fit(text, lang):
    assert not fits_script(text, lang)
