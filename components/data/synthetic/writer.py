"""What is said of a scene, by kind, in any language: the truth, with as much left out as is asked for.

`short` names all things and how two of them lie; `dense` says in one line where each is; `long` has a sentence for each
thing and for how each lies to the next; `alt` names one thing, or as many as the rule says; `ref` tells one thing from all
others with as few words as that takes; `attr` lists what one thing is like; `word` is its noun.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from components.data.synthetic.grammars.chinese import Chinese
from components.data.synthetic.grammars.english import English
from components.data.synthetic.grammars.french import French
from components.data.synthetic.grammars.german import German
from components.data.synthetic.grammars.grammar import Grammar, Said
from components.data.synthetic.grammars.spanish import Spanish
from components.data.synthetic.scene import Scene, Thing, relations, shuffled, upright

GRAMMARS: Mapping[str, Grammar] = {
    grammar.code: grammar for grammar in (English(), German(), French(), Spanish(), Chinese())
}
KINDS = ("alt", "short", "dense", "long", "ref", "attr", "word")
ATTRIBUTES = ("colour", "size", "texture")  # that may be left out, the noun never
_OF_ONE = ("ref", "attr", "word")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A thing with what is said of it."""

    thing: Thing
    said: Said


def told(kind: str, scene: Scene, luck: random.Random, named: int = 0, drop: float = 0.0, lose: float = 0.0) -> list[Told]:  # fmt: skip
    """Return which things a caption of that kind names, and what it says of them.

    Args:
        named: how many things at the most, 0 for all; `ref`, `attr` and `word` are about one in any case.
        drop: chance of each attribute to be left out.
        lose: chance of each thing but the first to be left out.
    """
    things = scene.things[: 1 if kind in _OF_ONE else (named or len(scene.things))]
    if lose:
        things = (things[0], *(thing for thing in things[1:] if luck.random() >= lose))
    if kind == "word":
        return [Told(thing=thing, said=Said(shape=thing.shape)) for thing in things]
    if kind == "ref":
        return [Told(thing=thing, said=shortest(thing, scene)) for thing in things]
    all_said = [Told(thing=thing, said=full(thing, plain=kind == "attr")) for thing in things]
    return [_less(one, luck, drop, kind == "attr") for one in all_said] if drop else all_said


def write(kind: str, scene: Scene, told: Sequence[Told], grammar: Grammar) -> str:
    """Return the caption."""
    first = told[0]
    if kind == "word":
        return grammar.word(first.said.shape)
    if kind == "ref":
        return grammar.the(first.said)
    if kind == "attr":
        return grammar.attributes(first.said)
    if kind == "alt":
        return _along(grammar, grammar.a(first.said), told[1:])
    if kind == "short":
        return _short(scene, told, grammar)
    if kind == "dense":
        return grammar.comma.join(grammar.placed(one.said, scene.place(one.thing)) for one in told)
    return _long(scene, told, grammar)


def concept(scene: Scene) -> str:
    """Return what the picture shows, the same for all scenes of which the same is said, in whichever order."""
    things, lies = list(scene.things), ""
    if len(things) > 1:
        things[0], lies, things[1] = upright(things[0], things[1])
    tell = [Told(thing=thing, said=full(thing)) for thing in things]
    if not lies:
        return _short(scene, tell, GRAMMARS["en"])
    rest = sorted(tell[2:], key=lambda one: GRAMMARS["en"].a(one.said))
    return _along(GRAMMARS["en"], GRAMMARS["en"].related(tell[0].said, lies, tell[1].said), rest)


def full(thing: Thing, plain: bool = False) -> Said:
    """Return all there is to say of a thing but where it is; beside a noun nobody says that it is plain."""
    texture = None if thing.texture == "plain" and not plain else thing.texture
    return Said(shape=thing.shape, colour=thing.colour, size=thing.size, texture=texture)


def shortest(thing: Thing, scene: Scene) -> Said:
    """Return the least that is said of this thing and of no other: the noun alone if that is enough; colour always is."""
    whole, others = full(thing), [other for other in scene.things if other is not thing]
    for count in range(len(ATTRIBUTES) + 1):
        for spoken in combinations(ATTRIBUTES, count):
            said = whole.only(spoken)
            if not any(fits(said, other) for other in others):
                return said
    raise AssertionError("two things of a scene have one colour and shape")


def fits(said: Said, thing: Thing) -> bool:
    """Return whether what is said is true of a thing."""
    return said.shape == thing.shape and all(getattr(said, name) in (None, getattr(thing, name)) for name in ATTRIBUTES)


def mixed(text: str, luck: random.Random, grammar: Grammar) -> str:
    """Return a text's words in another order, its characters where there are no spaces; the same text if it has one only."""
    words = text.split(grammar.space) if grammar.space else list(text)
    if len(set(words)) < 2:
        return text
    while (order := shuffled(luck, words)) == words:
        pass
    return grammar.space.join(order)


def _less(one: Told, luck: random.Random, drop: float, keep_one: bool) -> Told:
    spoken = [name for name in ATTRIBUTES if luck.random() >= drop]
    return Told(thing=one.thing, said=one.said.only(spoken or ATTRIBUTES[:keep_one]))


def _short(scene: Scene, told: Sequence[Told], grammar: Grammar) -> str:
    if len(told) == 1:
        return grammar.placed(told[0].said, scene.place(told[0].thing))
    one, other = told[:2]
    return _along(grammar, grammar.related(one.said, relations(one.thing, other.thing)[0], other.said), told[2:])


def _along(grammar: Grammar, phrase: str, others: Sequence[Told]) -> str:
    return grammar.along(phrase, [other.said for other in others]) if others else phrase


def _long(scene: Scene, told: Sequence[Told], grammar: Grammar) -> str:
    there = [grammar.there_is(one.said, scene.place(one.thing)) for one in told]
    lie = [
        grammar.states(_brief(one.said), relation, _brief(other.said))
        for one, other in pairwise(told)
        for relation in relations(one.thing, other.thing)
    ]
    return grammar.space.join((*there, *lie))


def _brief(said: Said) -> Said:
    return said.only(["colour"])
