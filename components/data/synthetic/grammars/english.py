"""English: adjectives before the noun, nothing agrees."""

from collections.abc import Sequence

from components.data.synthetic.grammars.grammar import Grammar, Said, sentence, spaced

_PLACES = {
    "top left": "at the top left",
    "top": "at the top",
    "top right": "at the top right",
    "left": "on the left",
    "centre": "in the centre",
    "right": "on the right",
    "bottom left": "at the bottom left",
    "bottom": "at the bottom",
    "bottom right": "at the bottom right",
}


class English(Grammar):
    """The words of the word list are English words."""

    code = "en"

    def word(self, shape: str) -> str:
        """See Grammar."""
        return shape

    def a(self, said: Said) -> str:
        """See Grammar."""
        words = _bare(said)
        return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"

    def the(self, said: Said) -> str:
        """See Grammar."""
        return f"the {_bare(said)}"

    def related(self, one: Said, relation: str, other: Said) -> str:
        """See Grammar."""
        return f"{self.a(one)} {relation} {self.a(other)}"

    def placed(self, said: Said, place: str) -> str:
        """See Grammar."""
        return f"{self.a(said)} {_PLACES[place]}"

    def along(self, phrase: str, others: Sequence[Said]) -> str:
        """See Grammar."""
        return f"{phrase}, with {self.also([self.a(other) for other in others], ' and ')}"

    def there_is(self, said: Said, place: str) -> str:
        """See Grammar."""
        return sentence(f"there is {self.placed(said, place)}")

    def states(self, one: Said, relation: str, other: Said) -> str:
        """See Grammar."""
        return sentence(f"{self.the(one)} is {relation} {self.the(other)}")

    def attributes(self, said: Said) -> str:
        """See Grammar."""
        return sentence(
            f"the {said.shape} is {self.also([word for word in (said.size, said.colour, said.texture) if word], ' and ')}"
        )


def _bare(said: Said) -> str:
    return spaced(said.size, said.texture if said.texture != "plain" else None, said.colour, said.shape)
