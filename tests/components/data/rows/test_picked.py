"""Which texts are drawn from under a name, and that a sample without them lends another and is marked."""

import pytest

from components.contracts.errors import ConfigError, DataError
from components.contracts.text_noise import TextNoise
from components.contracts.text_pick import TextPick, check_texts
from components.data.rows.picked import picked

LONG = "There is a circle. It is red! A star is beside it."
CAPTIONS = (("a circle", LONG), ("a star",), (LONG, "a red circle"))
KINDS = (("alt", "long"), ("alt",), ("long", "short"))


def of(pick: TextPick) -> tuple[tuple[str, ...], ...]:
    return picked("caption", pick, CAPTIONS, KINDS).texts


def test_a_pick_without_kinds_takes_every_caption_and_asks_for_no_kinds():
    found = picked("caption", TextPick(), CAPTIONS)
    assert found.texts == CAPTIONS
    assert found.is_given == (True, True, True)


def test_only_captions_of_the_kinds_are_taken_and_who_has_none_lends_its_own():
    found = picked("caption", TextPick(kinds=("long", "short")), CAPTIONS, KINDS)
    assert found.texts == ((LONG,), ("a star",), (LONG, "a red circle"))
    assert found.is_given == (True, False, True)


def test_sentences_are_texts_of_their_own_and_neighbours_are_merged():
    three = ("There is a circle.", "It is red!", "A star is beside it.")
    assert of(TextPick(kinds=("long",), sentences=True)) == (three, ("a star",), three)
    assert of(TextPick(kinds=("long",), sentences=True, merge=2))[0] == (" ".join(three[:2]), three[2])


def test_strict_is_an_error_where_a_sample_has_fewer_texts_than_are_read():
    three = {"kinds": ("long",), "sentences": True, "strict": True}
    with pytest.raises(
        DataError, match=r"training\.texts\.caption is strict and reads 3 texts .* 1 of 3 have fewer, the least 0\."
    ):
        of(TextPick(**three, count=3))
    assert picked("caption", TextPick(**three, count=3), CAPTIONS[::2], KINDS[::2]).is_given == (True, True)
    with pytest.raises(DataError, match=r"reads 4 texts .* 2 of 2 have fewer, the least 3\."):
        picked("caption", TextPick(**three, count=4), CAPTIONS[::2], KINDS[::2])
    with pytest.raises(DataError, match=r"reads 2 texts .* 1 of 3 have fewer, the least 1\."):
        picked("caption", TextPick(count=2, strict=True), CAPTIONS)


def test_a_caption_of_marks_alone_stays_one_text():
    assert picked("caption", TextPick(sentences=True), [[" \n "]]).texts == ((" \n ",),)


@pytest.mark.parametrize("kinds", [KINDS, ()])
def test_kinds_that_no_picture_has_are_an_error_that_names_those_there_are(kinds):
    there = "alt, long, short" if kinds else "captions of no kind"
    with pytest.raises(DataError, match=rf"training\.texts\.synthetic asks .* dense, but no picture .* {there}\."):
        picked("synthetic", TextPick(kinds=("dense",)), CAPTIONS, kinds)


def test_numbers_that_mean_nothing_are_refused():
    with pytest.raises(ConfigError, match="count is 0"):
        TextPick(count=0)
    with pytest.raises(ConfigError, match="merge is 2, but captions are not taken apart"):
        TextPick(merge=2)


def test_texts_of_another_name_choose_no_captions_of_their_own():
    with pytest.raises(ConfigError, match="of is caption, so these are the texts that stand there"):
        TextPick(of="caption", kinds=("long",))


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"other": TextPick()}, "every method reads caption"),
        ({"caption": TextPick(count=2), "strong": TextPick(of="caption")}, "texts.strong is of caption, .* of none"),
        ({"caption": TextPick(), "strong": TextPick(of="captoin")}, "texts.strong is of captoin, .* of caption"),
    ],
)
def test_names_that_lend_no_one_text_are_refused(texts, said):
    with pytest.raises(ConfigError, match=said):
        check_texts(texts)


def test_places_in_what_is_noised_are_refused():
    with pytest.raises(ConfigError, match="mentions are places in captions as they came"):
        TextPick(mentions=True, noise=TextNoise(swap=1.0))
