"""Found where it is planted, in the ways in which people write it; and not seen in dates, prices, sizes and names."""

import random
import unicodedata

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from components.data.personal import CARD, EMAIL, MAYBE, PHONE, find_personal, luhn, masked, plain

AROUND = (
    "{}",
    "Write to {} for more",
    "poster: {}.",
    "a red kite ({}) on a beach",
    "for sale, {}, as new",
    "{} is mine",
)


def digits(draw: random.Random, many: int) -> str:
    return "".join(draw.choice("0123456789") for _ in range(many))


def email(draw: random.Random) -> str:
    name = "".join(draw.choice("abcdefghijklmnopqrstuvwxyzäé0123456789") for _ in range(draw.randint(2, 10)))
    name += draw.choice(("", ".smith", "_b", "+news", "-x", "%a"))
    host = draw.choice(("example.org", "mail.example.co.uk", "example-shop.de", "EXAMPLE.COM", "sub.host.museum"))
    return name + draw.choice(("@", "@", "@", " [at] ", " (at) ")) + host


# How numbering plans write them; # is any digit, N 2 to 9, M a mobile's first digit.
PLANS = (
    "+1 N## N## ####", "+1-N##-N##-####", "+1 (N##) N##-####", "(N##) N##-####", "N##-N##-####", "N##.N##.####", "1-N##-N##-####",
    "+49 30 #######", "+49 (0)30 #######", "030 #######", "030/########", "0171 #######", "0171-#######", "+49171#######",
    "+44 20 #### ####", "0044 20 #### ####", "020 7### ####", "07### ######", "+33 6 ## ## ## ##", "06 ## ## ## ##",
    "06.##.##.##.##", "06########", "+39 06 #### ####", "+34 6## ### ###", "+31 6 ########", "06-########", "+91 98### #####",
    "98### #####", "+86 138 #### ####", "138 #### ####", "138########", "03-####-####", "090-####-####", "+81 90 #### ####",
    "(11) 9####-####", "+55 11 9####-####", "04## ### ###", "+61 4## ### ###", "+7 9## ###-##-##", "tel. ######",
    "Phone: ###-####", "call ### ## ##", "WhatsApp #######",
)  # fmt: skip


def phone(draw: random.Random) -> str:
    plan = draw.choice(PLANS)
    return "".join({"#": digits(draw, 1), "N": str(draw.randint(2, 9))}.get(one, one) for one in plan)


def card(draw: random.Random) -> str:
    first, size = draw.choice(
        (("4", 16), ("51", 16), ("2300", 16), ("34", 15), ("37", 15), ("6011", 16), ("3530", 16), ("36", 14))
    )
    number = first + digits(draw, size - len(first) - 1)
    number += next(last for last in "0123456789" if luhn(number + last))
    gap = draw.choice(("", " ", "-"))
    parts = (number[:4], number[4:10], number[10:]) if size < 16 else [number[at : at + 4] for at in range(0, size, 4)]
    return gap.join(parts)


@pytest.mark.parametrize(
    ("plant", "kind"), [(email, EMAIL), (phone, PHONE), (card, CARD)], ids=["email", "phone", "card"]
)
def test_of_what_is_planted_95_in_100_are_found(plant, kind):
    draw = random.Random(11)
    texts = [draw.choice(AROUND).format(plant(draw)) for _ in range(2000)]
    missed = [text for text in texts if kind not in [one.kind for one in find_personal(plain(text))]]
    assert len(missed) <= 100, missed[:20]


@pytest.mark.parametrize("plan", PLANS)
def test_every_way_of_writing_a_phone_number_is_known(plan):
    draw = random.Random(plan)
    numbers = [
        "".join({"#": digits(draw, 1), "N": str(draw.randint(2, 9))}.get(one, one) for one in plan) for _ in range(100)
    ]
    assert sum([one.kind for one in find_personal(number)] == [PHONE] for number in numbers) >= 95


def harmless(draw: random.Random) -> str:
    year, month, day = draw.randint(1900, 2030), draw.randint(1, 12), draw.randint(1, 28)
    big = draw.randint(1, 10**7)
    return draw.choice(
        (
            f"Paris, {day:02}.{month:02}.{year}", f"{year}-{month:02}-{day:02} at {day:02}:{month:02}:59", f"{day:02}/{month:02}/{year}",
            f"taken {day:02}/{month:02}/{year} 10:30", f"IMG_{year}{month:02}{day:02}_{digits(draw, 6)}.jpg", f"world war {year}-{year + 5}",
            f"{draw.randint(200, 9000)}x{draw.randint(200, 9000)} wallpaper", f"${big:,}.99 only", f"{big:,} people in {year}",
            f"48.{digits(draw, 6)}, 2.{digits(draw, 6)}", f"ISBN 978-3-16-{digits(draw, 6)}-0", f"pi is 3.{digits(draw, 12)}",
            f"part no. {digits(draw, 3)}-{digits(draw, 2)}", f"{day} of {month}, page {big}", f"EAN 40063813{digits(draw, 5)}",
            f"size {day}-{month}-{day}", f"route {month}/{day}", f"Boeing 747-{month}00", f"score {day}:{month} ({month}:{day})",
            f"#{digits(draw, 8)}", f"order {digits(draw, 8)}", f"v{day}.{month}.{year}", f"follow @user{day} on stage", f"at {day} @ home",
            f"https://example.org/{year}/{month:02}/{day:02}/{digits(draw, 7)}", f"lot 0{digits(draw, 6)}", f"{digits(draw, 5)} {year}",
        )
    )  # fmt: skip


def test_of_plain_captions_one_in_a_thousand_at_most_is_taken_for_personal():
    draw = random.Random(5)
    texts = [harmless(draw) for _ in range(5000)]
    wrong = [text for text in texts if find_personal(plain(text))]
    assert len(wrong) <= 5, wrong[:20]


def test_names_of_symbols_are_none():
    names = [unicodedata.name(chr(code), "") for code in (*range(0x2190, 0x2BFF), *range(0x1F000, 0x1FAFF))]
    assert len(set(names)) > 3000
    assert not [name for name in names if find_personal(plain(name))]


@pytest.mark.parametrize(
    ("number", "right"),
    [
        ("79927398713", True),
        ("79927398710", False),
        ("4111111111111111", True),
        ("4111111111111112", False),
        ("0", True),
    ],
)
def test_check_digits_that_can_be_worked_out_by_hand(number, right):
    assert luhn(number) is right


@pytest.mark.parametrize(
    "number", ["4111 1111 1111 1112", "9999 9999 9999 9995", "411111111111111", "12345678901234567890"]
)
def test_digits_that_are_no_card_are_none(number):
    assert not find_personal(number)


def test_wide_digits_and_hidden_characters_hide_nothing():
    assert [one.kind for one in find_personal(plain("０９０－１２３４－５６７８"))] == [PHONE]
    assert [one.kind for one in find_personal(plain("jo\u200b@exam\u200bple.org"))] == [EMAIL]


def test_what_is_masked_can_be_read_no_more_and_the_rest_can():
    text = "A kite. Ask jo@example.org, +49 30 1234567 or pay 4111 1111 1111 1111 now"
    assert masked(text) == "A kite. Ask [e-mail address], [phone number] or pay [card number] now"
    assert masked("ﬁne ① kite") == "ﬁne ① kite"


def test_the_quick_look_misses_nothing_that_is_found():
    draw = random.Random(2)
    texts = [draw.choice(AROUND).format(draw.choice((email, phone, card))(draw)) for _ in range(3000)]
    texts += ["tel. 123456", "０９０－１２３４－５６７８", "a [AT] b.org"]
    quick = pc.match_substring_regex(pa.array(texts), MAYBE, ignore_case=True).to_pylist()
    assert not [text for text, maybe in zip(texts, quick, strict=True) if find_personal(plain(text)) and not maybe]
