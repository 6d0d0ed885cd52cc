"""French: articles and adjectives agree in gender; size before the noun, colour and texture behind it; de, le and que elide."""

from collections.abc import Sequence

from components.data.synthetic.grammars.grammar import Grammar, Said, sentence, spaced

_NOUNS = {
    "circle": ("cercle", "m"),
    "square": ("carré", "m"),
    "triangle": ("triangle", "m"),
    "star": ("étoile", "f"),
    "cross": ("croix", "f"),
    "ring": ("anneau", "m"),
    "heart": ("cœur", "m"),
    "diamond": ("losange", "m"),
}
_ADJECTIVES = {  # masculine, feminine
    "red": ("rouge", "rouge"),
    "orange": ("orange", "orange"),
    "yellow": ("jaune", "jaune"),
    "green": ("vert", "verte"),
    "blue": ("bleu", "bleue"),
    "purple": ("violet", "violette"),
    "brown": ("marron", "marron"),
    "black": ("noir", "noire"),
    "small": ("petit", "petite"),
    "medium": ("de taille moyenne", "de taille moyenne"),
    "large": ("grand", "grande"),
    "plain": ("uni", "unie"),
    "striped": ("à rayures", "à rayures"),
    "dotted": ("à pois", "à pois"),
    "checked": ("à carreaux", "à carreaux"),
}
_PLACES = {
    "top left": "en haut à gauche",
    "top": "en haut",
    "top right": "en haut à droite",
    "left": "à gauche",
    "centre": "au centre",
    "right": "à droite",
    "bottom left": "en bas à gauche",
    "bottom": "en bas",
    "bottom right": "en bas à droite",
}
_OF = {"left of": "à gauche", "right of": "à droite", "above": "au-dessus", "below": "au-dessous"}
_THAN = {"larger than": "large", "smaller than": "small"}
_VOWELS = "aàâeéèêiîoôuœ"


class French(Grammar):
    """Articles elide before vowels: l'étoile, d'un, qu'une; de with le becomes du."""

    code = "fr"

    def word(self, shape: str) -> str:
        """See Grammar."""
        return _NOUNS[shape][0]

    def a(self, said: Said) -> str:
        """See Grammar."""
        return f"{'une' if _gender(said) == 'f' else 'un'} {_bare(said)}"

    def the(self, said: Said) -> str:
        """See Grammar."""
        words = _bare(said)
        if words[0] in _VOWELS:
            return f"l'{words}"
        return f"{'la' if _gender(said) == 'f' else 'le'} {words}"

    def related(self, one: Said, relation: str, other: Said) -> str:
        """See Grammar."""
        return f"{self.a(one)} {_how(one, relation, self.a(other))}"

    def placed(self, said: Said, place: str) -> str:
        """See Grammar."""
        return f"{self.a(said)} {_PLACES[place]}"

    def along(self, phrase: str, others: Sequence[Said]) -> str:
        """See Grammar."""
        return f"{phrase}, avec {self.also([self.a(other) for other in others], ' et ')}"

    def there_is(self, said: Said, place: str) -> str:
        """See Grammar."""
        return sentence(f"il y a {self.placed(said, place)}")

    def states(self, one: Said, relation: str, other: Said) -> str:
        """See Grammar."""
        return sentence(f"{self.the(one)} est {_how(one, relation, self.the(other))}")

    def attributes(self, said: Said) -> str:
        """See Grammar."""
        words = [_agreeing(word, said) for word in (said.size, said.colour, said.texture) if word]
        return sentence(f"{self.the(Said(shape=said.shape))} est {self.also(words, ' et ')}")


def _how(one: Said, relation: str, other: str) -> str:
    """Return "à gauche d'un cercle", "plus grande que le cercle"."""
    if relation in _THAN:
        return f"plus {_agreeing(_THAN[relation], one)} {_elided('que', other)}"
    return f"{_OF[relation]} {_elided('de', other)}"


def _elided(word: str, after: str) -> str:
    if word == "de" and after.startswith("le "):
        return f"du {after[3:]}"
    return f"{word[:-1]}'{after}" if after[0] in _VOWELS else f"{word} {after}"


def _gender(said: Said) -> str:
    return _NOUNS[said.shape][1]


def _agreeing(word: str, said: Said) -> str:
    return _ADJECTIVES[word][_gender(said) == "f"]


def _bare(said: Said) -> str:
    texture = None if said.texture == "plain" else said.texture
    before = said.size if said.size != "medium" else None
    behind = (word for word in (said.colour, texture, said.size if before is None else None) if word)
    return spaced(
        _agreeing(before, said) if before else None, _NOUNS[said.shape][0], *(_agreeing(word, said) for word in behind)
    )
