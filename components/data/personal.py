"""E-mail addresses, phone numbers and payment cards in a text: what one would not want a model to learn, or to answer with.

Phone numbers are known by how they are written: after a + or 00, with the area code in brackets, from a leading 0 with ten
to twelve digits in groups, as North America, India and China write them, or after a word such as "tel". Dates, prices,
sizes, ISBNs and coordinates are none of these. Cards are the lengths and first digits that issuers use, with Luhn's check
digit (ISO/IEC 7812-1). Names, addresses and faces are not looked for.
"""

import re
import unicodedata
from dataclasses import dataclass

EMAIL, PHONE, CARD = "an e-mail address", "a phone number", "a card number"

_AT = r"(?:@|\s*[\[({]\s*(?:at|@)\s*[\])}]\s*)"
_DOT = r"(?:\.|\s*[\[({]\s*(?:dot|\.)\s*[\])}]\s*)"
_EMAIL = re.compile(rf"[\w.+%-]*[\w+%-]{_AT}[\w-]+(?:{_DOT}[\w-]+)*{_DOT}[^\W\d_]{{2,}}", re.IGNORECASE)
_GAP = r"[ .\-/]?"
_NO_DATE = r"(?!\d{1,2}(?P<date>[./-])\d{1,2}(?P=date)(?:\d{4}|\d{2})(?!(?P=date)?\d))"
_PHONE = re.compile(
    r"(?<![\w.,/+-])(?:"
    rf"(?:\+|00)[1-9]\d{{0,2}}(?:{_GAP}\(?\d{{1,5}}\)?){{2,6}}"  # +49 30 1234567, +1 (212) 555-0123, 0044 20 7946 0958
    rf"|(?:1[ .-])?\(\d{{2,5}}\){_GAP}\d{{3,5}}{_GAP}\d{{3,5}}"  # (212) 555-0123, (11) 91234-5678
    r"|(?:1[ .-])?[2-9]\d\d(?P<us>[ .-])[2-9]\d\d(?P=us)\d{4}"  # 212-555-0123
    r"|[6-9]\d{4}[ -]\d{5}"  # 98765 43210
    r"|1[3-9]\d(?P<china>[ -]?)\d{4}(?P=china)\d{4}"  # 138 0013 8000
    rf"|{_NO_DATE}0\d{{1,4}}(?:[ ./-]\d{{2,8}}){{1,4}}"  # 030 1234567, 06 12 34 56 78
    r"|0[1-9]\d{8,9}"  # 0612345678
    r")(?![\w]|[.,/-]\d)"
)
_TOLD = re.compile(
    r"\b(?:tel|telephone|telefon|phone|call|mobile|mobil|cell|fax|whatsapp|handy)\b\W{0,3}(?:(?:no|number|us|me|at)\b\W{0,2}){0,2}"
    r"(\+?\d(?:[ .\-/()]{0,2}\d){5,14})(?!\w)",
    re.IGNORECASE,
)
_CARD = re.compile(r"(?<![\w.,-])\d(?:[ -]?\d){13,18}(?![\w]|[.,-]\d)")
_ISSUERS = (  # first digits, lengths
    (r"4", (16, 19)),
    (r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720", (16,)),
    (r"3[47]", (15,)),
    (r"30[0-5]|3[68]", (14,)),
    (r"6011|64[4-9]|65|352[89]|35[3-8]", (16,)),
    (r"62", (16, 17, 18, 19)),
)
MAYBE = r"@|[\[({]\s*at\s*[\])}]|(?:\pN\PN{0,3}){6}"
"""An RE2 pattern that every text with something personal matches, case ignored, for looking at many texts quickly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Personal:
    """Something personal in a text.

    Args:
        kind: EMAIL, PHONE or CARD.
        start: of its first character, in the text as `plain` has it.
        end: after its last one.
    """

    kind: str
    start: int
    end: int


def plain(text: str) -> str:
    """Return the text with wide and raised digits as plain ones, without characters that show nothing."""
    return "".join(one for one in unicodedata.normalize("NFKC", text) if unicodedata.category(one) != "Cf")


def find_personal(text: str) -> list[Personal]:
    """Return what is personal in a `plain` text, in its order, without overlaps: a card before a phone number."""
    found = [Personal(kind=EMAIL, start=one.start(), end=one.end()) for one in _EMAIL.finditer(text)]
    found += [Personal(kind=CARD, start=one.start(), end=one.end()) for one in _CARD.finditer(text) if _is_card(one[0])]
    found += [
        Personal(kind=PHONE, start=one.start(), end=one.end())
        for one in _PHONE.finditer(text)
        if _shortest(one[0]) <= sum(map(str.isdigit, one[0])) <= 15  # E.164 has no more
    ]
    found += [Personal(kind=PHONE, start=one.start(1), end=one.end(1)) for one in _TOLD.finditer(text)]
    kept: list[Personal] = []
    for one in found:
        if all(one.end <= other.start or other.end <= one.start for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda one: one.start)


def masked(text: str) -> str:
    """Return the text with what is personal replaced by its kind in brackets; unchanged where there is nothing."""
    shown = plain(text)
    found = find_personal(shown)
    for one in reversed(found):
        shown = f"{shown[: one.start]}[{one.kind.partition(' ')[2]}]{shown[one.end :]}"
    return shown if found else text


def _shortest(written: str) -> int:
    """Return how many digits a phone number so written has at least; with fewer it may be anything."""
    return 8 if written[0] == "+" else 11 if written[:2] == "00" else 10


def _is_card(written: str) -> bool:
    digits = re.sub(r"\D", "", written)
    issued = any(re.match(first, digits) and len(digits) in lengths for first, lengths in _ISSUERS)
    return issued and luhn(digits)


def luhn(digits: str) -> bool:
    """Return whether the last digit is the check digit of the others: the sum, every second doubled, ends in 0."""
    doubled = [int(digit) * (1 + at % 2) for at, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0
