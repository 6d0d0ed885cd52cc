"""Is a text written in the script of the language it claims? Catches swapped columns, not bad grammar.

A text fits when it has no letters at all, when its language is UNKNOWN, or at least one letter of its language's scripts, or one Latin letter:
abbreviations such as "ATM" are Latin everywhere.
"""

import unicodedata

# The words that Unicode's letter names begin with, by ISO 639 code, without script and region; languages in Latin script are not listed.
_SCRIPTS = {
    "am": ("ETHIOPIC",),
    "ar": ("ARABIC",),
    "arz": ("ARABIC",),
    "az": ("CYRILLIC", "ARABIC"),
    "azb": ("ARABIC",),
    "ba": ("CYRILLIC",),
    "be": ("CYRILLIC",),
    "bg": ("CYRILLIC",),
    "bn": ("BENGALI",),
    "ce": ("CYRILLIC",),
    "ckb": ("ARABIC",),
    "cv": ("CYRILLIC",),
    "el": ("GREEK",),
    "fa": ("ARABIC",),
    "gu": ("GUJARATI",),
    "he": ("HEBREW",),
    "hi": ("DEVANAGARI",),
    "hy": ("ARMENIAN",),
    "iw": ("HEBREW",),
    "ja": ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"),
    "ka": ("GEORGIAN",),
    "kk": ("CYRILLIC", "ARABIC"),
    "km": ("KHMER",),
    "kn": ("KANNADA",),
    "ko": ("HANGUL",),
    "ku": ("ARABIC",),
    "ky": ("CYRILLIC",),
    "lah": ("ARABIC",),
    "lo": ("LAO",),
    "mk": ("CYRILLIC",),
    "ml": ("MALAYALAM",),
    "mn": ("CYRILLIC", "MONGOLIAN"),
    "mr": ("DEVANAGARI",),
    "my": ("MYANMAR",),
    "nan": ("CJK",),
    "ne": ("DEVANAGARI",),
    "or": ("ORIYA",),
    "pa": ("GURMUKHI", "ARABIC"),
    "ps": ("ARABIC",),
    "ru": ("CYRILLIC",),
    "sa": ("DEVANAGARI",),
    "sd": ("ARABIC", "DEVANAGARI"),
    "sh": ("CYRILLIC",),
    "si": ("SINHALA",),
    "sr": ("CYRILLIC",),
    "ta": ("TAMIL",),
    "te": ("TELUGU",),
    "tg": ("CYRILLIC", "ARABIC"),
    "th": ("THAI",),
    "tt": ("CYRILLIC",),
    "ug": ("ARABIC",),
    "uk": ("CYRILLIC",),
    "ur": ("ARABIC",),
    "uz": ("CYRILLIC",),
    "yi": ("HEBREW",),
    "yue": ("CJK",),
    "wuu": ("CJK",),
    "zh": ("CJK", "BOPOMOFO"),
}
UNKNOWN = "und"  # BCP 47's word for a language that nobody has stated


def fits_script(text: str, lang: str) -> bool:
    """Return whether the text's letters can be of that language."""
    scripts = ("LATIN", "FULLWIDTH", *_SCRIPTS.get(lang.partition("-")[0], ()))
    if lang == UNKNOWN:
        return True
    letters = [character for character in text if character.isalpha()]
    return not letters or any(unicodedata.name(letter, "").split(" ")[0] in scripts for letter in letters)
