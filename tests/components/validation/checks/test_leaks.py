"""What counts as a leak, on rows small enough to check by eye, and on names, where nothing is one."""

import pytest

from components.validation.checks.leaks import Leaks
from tests.rows import found, row, rows

LONG = "a small brown dog runs along the wet beach behind a boy with a red kite"  # 16 words


def test_a_picture_nearly_like_one_of_train_names_it():
    listed = [
        row("t", perceptual=0b1011),
        row("p", split="pair", perceptual=0),
        row("far", split="pair", perceptual=2**40 - 1),
    ]
    findings = Leaks().find(rows(listed))
    assert [(one.row, one.reason, one.detail) for one in findings] == [(1, "leak_near", "3 of 64 bits from t (train)")]


def test_one_hash_in_another_colour_is_no_leak():
    listed = [row("t", perceptual=1, colour=(1, 0, 0)), row("p", split="pair", perceptual=1, colour=(0, 0, 1))]
    assert not found(Leaks(), listed)


def test_pictures_of_pools_that_are_alike_leak_nothing():
    assert not found(Leaks(), [row("v", split="val", perceptual=1), row("p", split="pair", perceptual=1)])


@pytest.mark.parametrize(
    ("text", "leaks"),
    [
        (LONG, True),
        (LONG.upper().replace(" ", ",  ") + "!", True),
        (f"Look: {LONG}", True),
        (" ".join(LONG.split()[:13]), True),
        (" ".join(LONG.split()[:12]), False),
        (LONG.replace("wet", "dry"), False),
        ("grinning face with smiling eyes", False),
    ],
)
def test_thirteen_words_in_a_row_are_a_leak_and_twelve_are_none(text, leaks):
    listed = [row("t", LONG), row("p", "something else", text, split="pair")]
    assert found(Leaks(), listed) == ({"p": "leak_text"} if leaks else {})


@pytest.mark.parametrize(("times", "leaks"), [(1, True), (10, True), (11, False)])
def test_what_more_than_ten_training_rows_say_is_boilerplate(times, leaks):
    listed = [*(row(f"t{i}", f"{i} {LONG}", LONG) for i in range(times)), row("p", LONG, split="val")]
    assert bool(found(Leaks(), listed)) is leaks


def test_a_row_says_its_first_run_and_whose_it_is():
    findings = Leaks(words=3).find(rows([row("t", "one two three four"), row("p", "two three four", split="pair")]))
    assert [one.detail for one in findings] == ["shares 'two three four' with t (train)"]


def test_what_pools_have_in_common_is_no_leak():
    assert not found(Leaks(), [row("v", LONG, split="val"), row("p", LONG, split="pair")])
