"""What an English caption names: things, each with what is said they are like.

A grammar of few rules and no model, so that the same words always give the same: words between articles, prepositions and verbs are one
phrase; its last word is the thing, and those before it are what it is like; a phrase of nothing but colours, sizes and the like is said of the
thing before, where a form of "to be" stands between, and else of the thing behind. What scenes are told in (components/data/synthetic/writer.py) is
read without a mistake. Errs elsewhere: verbs are known by a list and by "-ing", so "a dog sleeps" has a thing called sleeps where the list lacks
the verb, and of "car park" the thing is the park.
"""

import re
from dataclasses import dataclass

from components.data.synthetic.words import COLOURS, SHAPES, SIZES, TEXTURES

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|[,.;:!?()]")


def _words(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


COLOUR_WORDS = frozenset(
    {*COLOURS, "white", "grey", "gray", "pink", "gold", "golden", "silver", "teal", "cyan", "beige", "turquoise"}
)
SIZE_WORDS = frozenset({*SIZES, "big", "tiny", "huge", "little", "tall", "short", "long", "wide", "narrow"})
TEXTURE_WORDS = frozenset({*TEXTURES, "furry", "smooth", "rough", "shiny", "wooden", "metal", "spotted"})
COUNTS = _words("two three four five six seven eight nine ten several many some")
ATTRIBUTES = COLOUR_WORDS | SIZE_WORDS | TEXTURE_WORDS | COUNTS
_BE = _words("is are was were be looks seems")
_ENDS = _BE | _words(
    "a an the this that these those its his her their my our your it he she they we i you there here",
    "of in on at by to from with without into onto over under near beside behind between before after above below through across around along",
    "against inside outside next up down off out as for like and or but while who which where not no very also each another other",
    "top bottom left right centre center middle corner front back larger smaller bigger than",
    "picture photo photograph image drawing view",
    "has have had do does holds sits stands lies runs walks rides plays eats looks wears flies jumps sleeps swims hangs shows",
)
_THINGS_IN_ING = _words(
    "ring king wing string spring swing thing building ceiling painting wedding morning evening sibling earring clothing railing lightning",
    "pudding stocking sling awning dressing crossing landing parking icing sting",
)
_LONGEST_STEM = 4  # letters; of shorter words "-ing" is no ending


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """A thing with what is said of it.

    Args:
        noun: the word for it, in lower case.
        attributes: the words before it, or said of it, in the order of the alphabet.
    """

    noun: str
    attributes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((*self.attributes, self.noun))


def phrases(text: str) -> tuple[Phrase, ...]:
    """Return what a caption names, each once, in the order in which it comes."""
    things: list[tuple[str, list[str]]] = []
    waiting: list[str] = []
    said_of_last = False
    for chunk, end in _chunks(text):
        if chunk and chunk[-1] in ATTRIBUTES and all(word in ATTRIBUTES for word in chunk):
            (things[-1][1] if said_of_last and things else waiting).extend(chunk)
        elif chunk:
            things.append((chunk[-1], [*waiting, *chunk[:-1]]))
            waiting, said_of_last = [], False
        if end in _BE:
            said_of_last = True
        elif end in (".", ";", "!", "?"):
            waiting, said_of_last = [], False
    return tuple(dict.fromkeys(Phrase(noun=noun, attributes=tuple(sorted(set(of_it)))) for noun, of_it in things))


def _chunks(text: str) -> list[tuple[list[str], str]]:
    """Return runs of words that belong together, each with the word or mark that ends it."""
    found: list[tuple[list[str], str]] = []
    chunk: list[str] = []
    for word in (*_WORD.findall(text.lower()), "."):
        if word in _ENDS or not word[0].isalpha() or _is_doing(word):
            found.append((chunk, word))
            chunk = []
        else:
            chunk.append(word)
    return found


def _is_doing(word: str) -> bool:
    return word.endswith("ing") and len(word) > _LONGEST_STEM and word not in _THINGS_IN_ING and word not in SHAPES
