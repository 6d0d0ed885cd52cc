"""Spanish: articles and adjectives agree in gender and stand behind the noun; de with el becomes del."""

from collections.abc import Sequence

from components.data.synthetic.grammars.grammar import Grammar, Said, sentence, spaced

_NOUNS = {
    "circle": ("círculo", "m"),
    "square": ("cuadrado", "m"),
    "triangle": ("triángulo", "m"),
    "star": ("estrella", "f"),
    "cross": ("cruz", "f"),
    "ring": ("anillo", "m"),
    "heart": ("corazón", "m"),
    "diamond": ("rombo", "m"),
}
_ADJECTIVES = {  # masculine, feminine
    "red": ("rojo", "roja"),
    "orange": ("naranja", "naranja"),
    "yellow": ("amarillo", "amarilla"),
    "green": ("verde", "verde"),
    "blue": ("azul", "azul"),
    "purple": ("morado", "morada"),
    "brown": ("marrón", "marrón"),
    "black": ("negro", "negra"),
    "small": ("pequeño", "pequeña"),
    "medium": ("mediano", "mediana"),
    "large": ("grande", "grande"),
    "plain": ("liso", "lisa"),
    "striped": ("a rayas", "a rayas"),
    "dotted": ("con lunares", "con lunares"),
    "checked": ("a cuadros", "a cuadros"),
}
_PLACES = {
    "top left": "arriba a la izquierda",
    "top": "arriba",
    "top right": "arriba a la derecha",
    "left": "a la izquierda",
    "centre": "en el centro",
    "right": "a la derecha",
    "bottom left": "abajo a la izquierda",
    "bottom": "abajo",
    "bottom right": "abajo a la derecha",
}
_OF = {"left of": "a la izquierda", "right of": "a la derecha", "above": "encima", "below": "debajo"}
_THAN = {"larger than": "large", "smaller than": "small"}


class Spanish(Grammar):
    """Where something is takes está, how it is takes es."""

    code = "es"

    def word(self, shape: str) -> str:
        """See Grammar."""
        return _NOUNS[shape][0]

    def a(self, said: Said) -> str:
        """See Grammar."""
        return f"{'una' if _gender(said) == 'f' else 'un'} {_bare(said)}"

    def the(self, said: Said) -> str:
        """See Grammar."""
        return f"{'la' if _gender(said) == 'f' else 'el'} {_bare(said)}"

    def related(self, one: Said, relation: str, other: Said) -> str:
        """See Grammar."""
        return f"{self.a(one)} {_how(one, relation, self.a(other))}"

    def placed(self, said: Said, place: str) -> str:
        """See Grammar."""
        return f"{self.a(said)} {_PLACES[place]}"

    def along(self, phrase: str, others: Sequence[Said]) -> str:
        """See Grammar."""
        return f"{phrase}, con {self.also([self.a(other) for other in others], ' y ')}"

    def there_is(self, said: Said, place: str) -> str:
        """See Grammar."""
        return sentence(f"hay {self.placed(said, place)}")

    def states(self, one: Said, relation: str, other: Said) -> str:
        """See Grammar."""
        verb = "es" if relation in _THAN else "está"
        return sentence(f"{self.the(one)} {verb} {_how(one, relation, self.the(other))}")

    def attributes(self, said: Said) -> str:
        """See Grammar."""
        words = [_agreeing(word, said) for word in (said.size, said.colour, said.texture) if word]
        return sentence(f"{self.the(Said(shape=said.shape))} es {self.also(words, ' y ')}")


def _how(one: Said, relation: str, other: str) -> str:
    """Return "a la izquierda del círculo", "más pequeña que un círculo"."""
    if relation in _THAN:
        return f"más {_agreeing(_THAN[relation], one)} que {other}"
    return f"{_OF[relation]} {f'del {other[3:]}' if other.startswith('el ') else f'de {other}'}"


def _gender(said: Said) -> str:
    return _NOUNS[said.shape][1]


def _agreeing(word: str, said: Said) -> str:
    return _ADJECTIVES[word][_gender(said) == "f"]


def _bare(said: Said) -> str:
    texture = None if said.texture == "plain" else said.texture
    words = (_agreeing(word, said) for word in (said.colour, texture, said.size) if word)
    return spaced(_NOUNS[said.shape][0], *words)
