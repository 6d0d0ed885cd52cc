"""Is a text written in the script of the language it claims? Catches swapped columns, not bad grammar.

A text fits when it has no letters at all, when its language is UNKNOWN, or at least one letter of its language's scripts, or one Latin letter:
abbreviations such as "ATM" are Latin everywhere.
"""

import unicodedata

# The words that Unicode's letter names begin with, by ISO 639-1 code; languages in Latin script are not listed.
_SCRIPTS = {
    "ar": ("ARABIC",),
    "bg": ("CYRILLIC",),
    "el": ("GREEK",),
    "fa": ("ARABIC",),
    "he": ("HEBREW",),
    "hi": ("DEVANAGARI",),
    "ja": ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"),
    "ko": ("HANGUL",),
    "ru": ("CYRILLIC",),
    "th": ("THAI",),
    "uk": ("CYRILLIC",),
    "zh": ("CJK",),
}
UNKNOWN = "und"  # BCP 47's word for a language that nobody has stated


def fits_script(text: str, lang: str) -> bool:
    """Return whether the text's letters can be of that language."""
    scripts = ("LATIN", "FULLWIDTH", *_SCRIPTS.get(lang, ()))
    if lang == UNKNOWN:
        return True
    letters = [character for character in text if character.isalpha()]
    return not letters or any(unicodedata.name(letter, "").split(" ")[0] in scripts for letter in letters)
