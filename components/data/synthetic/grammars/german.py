"""German: articles and adjectives agree with the noun in gender and case; prepositions of place take the dative here."""

from collections.abc import Sequence

from components.data.synthetic.grammars.grammar import Grammar, Said, sentence, spaced

_NOUNS = {  # gender
    "circle": ("Kreis", "m"),
    "square": ("Quadrat", "n"),
    "triangle": ("Dreieck", "n"),
    "star": ("Stern", "m"),
    "cross": ("Kreuz", "n"),
    "ring": ("Ring", "m"),
    "heart": ("Herz", "n"),
    "diamond": ("Raute", "f"),
}
_ADJECTIVES = {
    "red": "rot",
    "orange": "orangefarben",  # "orange" itself takes no endings
    "yellow": "gelb",
    "green": "grün",
    "blue": "blau",
    "purple": "violett",
    "brown": "braun",
    "black": "schwarz",
    "small": "klein",
    "medium": "mittelgroß",
    "large": "groß",
    "plain": "einfarbig",
    "striped": "gestreift",
    "dotted": "gepunktet",
    "checked": "kariert",
}
_PLACES = {
    "top left": "oben links",
    "top": "oben",
    "top right": "oben rechts",
    "left": "links",
    "centre": "in der Mitte",
    "right": "rechts",
    "bottom left": "unten links",
    "bottom": "unten",
    "bottom right": "unten rechts",
}
_RELATIONS = {  # case of what follows
    "left of": ("links von", "dative"),
    "right of": ("rechts von", "dative"),
    "above": ("über", "dative"),
    "below": ("unter", "dative"),
    "larger than": ("größer als", "nominative"),
    "smaller than": ("kleiner als", "nominative"),
}
_ONE = {"nominative": {"m": "ein", "n": "ein", "f": "eine"}, "dative": {"m": "einem", "n": "einem", "f": "einer"}}
_THE = {"nominative": {"m": "der", "n": "das", "f": "die"}, "dative": {"m": "dem", "n": "dem", "f": "der"}}
_AFTER_ONE = {"nominative": {"m": "er", "n": "es", "f": "e"}, "dative": dict.fromkeys("mnf", "en")}
_AFTER_THE = {"nominative": dict.fromkeys("mnf", "e"), "dative": dict.fromkeys("mnf", "en")}


class German(Grammar):
    """Nominative and dative, after the indefinite and the definite article."""

    code = "de"

    def word(self, shape: str) -> str:
        """See Grammar."""
        return _NOUNS[shape][0]

    def a(self, said: Said) -> str:
        """See Grammar."""
        return _one(said, "nominative")

    def the(self, said: Said) -> str:
        """See Grammar."""
        return _the(said, "nominative")

    def related(self, one: Said, relation: str, other: Said) -> str:
        """See Grammar."""
        words, case = _RELATIONS[relation]
        return f"{self.a(one)} {words} {_one(other, case)}"

    def placed(self, said: Said, place: str) -> str:
        """See Grammar."""
        return f"{self.a(said)} {_PLACES[place]}"

    def along(self, phrase: str, others: Sequence[Said]) -> str:
        """See Grammar."""
        return f"{phrase}, mit {self.also([_one(other, 'dative') for other in others], ' und ')}"

    def there_is(self, said: Said, place: str) -> str:
        """See Grammar."""
        return sentence(f"{_PLACES[place]} ist {self.a(said)}")

    def states(self, one: Said, relation: str, other: Said) -> str:
        """See Grammar."""
        words, case = _RELATIONS[relation]
        return sentence(f"{self.the(one)} ist {words} {_the(other, case)}")

    def attributes(self, said: Said) -> str:
        """See Grammar."""
        words = [_ADJECTIVES[word] for word in (said.size, said.colour, said.texture) if word]
        return sentence(f"{self.the(Said(shape=said.shape))} ist {self.also(words, ' und ')}")


def _one(said: Said, case: str) -> str:
    return _phrase(said, _ONE[case], _AFTER_ONE[case])


def _the(said: Said, case: str) -> str:
    return _phrase(said, _THE[case], _AFTER_THE[case])


def _phrase(said: Said, articles: dict[str, str], endings: dict[str, str]) -> str:
    noun, gender = _NOUNS[said.shape]
    texture = None if said.texture == "plain" else said.texture
    words = (_ADJECTIVES[word] + endings[gender] for word in (said.size, texture, said.colour) if word)
    return spaced(articles[gender], *words, noun)
