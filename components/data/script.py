"""Which language is a text in, as far as its letters tell: nobody guesses between languages of one script.

Hangul is Korean, kana Japanese, Thai and Greek letters are of one language each; of all others only the script is said, as BCP 47 says it:
`und-Latn` is a text in Latin letters. The script is that of most letters, told by the first words of their Unicode names.
"""

import re
import unicodedata
from collections import Counter

UNKNOWN = "und"
_LANGUAGES = {"HANGUL": "ko", "HIRAGANA": "ja", "KATAKANA": "ja", "THAI": "th", "GREEK": "el"}
_SCRIPTS = {  # ISO 15924
    "LATIN": "Latn", "CYRILLIC": "Cyrl", "ARABIC": "Arab", "HEBREW": "Hebr", "DEVANAGARI": "Deva", "CJK": "Hani", "BENGALI": "Beng",
    "TAMIL": "Taml", "TELUGU": "Telu", "GEORGIAN": "Geor", "ARMENIAN": "Armn", "ETHIOPIC": "Ethi", "KHMER": "Khmr", "MYANMAR": "Mymr",
}  # fmt: skip
_TAG = re.compile(r"([A-Za-z]{2,3})(-[A-Za-z0-9]{1,8})*", re.ASCII)
_MOST = 400  # characters that are looked at


def language_by_script(text: str) -> str:
    """Return such as `ko` or `und-Latn`; `und` for a text without letters, or in a script that is not listed."""
    letters = (character for character in text[:_MOST] if character.isalpha())
    counts = Counter(re.split(r"[ -]", unicodedata.name(letter, "?"))[0] for letter in letters)
    if counts["HIRAGANA"] or counts["KATAKANA"]:
        return "ja"  # which has more Chinese characters than kana at times, and Chinese has no kana
    if not counts:
        return UNKNOWN
    ((most, _),) = counts.most_common(1)
    return _LANGUAGES.get(most) or (f"{UNKNOWN}-{_SCRIPTS[most]}" if most in _SCRIPTS else UNKNOWN)


def stated_language(said: str) -> str | None:
    """Return the language of a tag such as `de-CH`, `de`; None where it is no tag of a language."""
    found = _TAG.fullmatch(said.partition(",")[0].strip())
    return found[1].lower() if found else None
