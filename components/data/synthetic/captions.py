"""Captions as a data set has them: true, or wrong in a known way; the truth is told beside each."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

from components.contracts.errors import ConfigError
from components.data.synthetic.grammars.grammar import Said
from components.data.synthetic.scene import Scene, SceneOptions, shuffled
from components.data.synthetic.writer import ATTRIBUTES, GRAMMARS, Told, fits, mixed, told, write

FAULTS = ("swapped", "lie", "shuffled")
_TRIES = 20  # scenes, to find one of which something else is said


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionRule:
    """How captions of a kind are made; shares from 0 to 1.

    Args:
        named: things named at the most, 0 for all; `alt` names 1 unless told otherwise.
        drop: share of the attributes (colour, size, texture) that are left out.
        lose: share of the things, but the first, that are left out.
        swapped: share of the captions that were written for another picture.
        lie: share of the captions with one attribute, or noun, that is false.
        shuffled: share of the captions with their words in another order.
    """

    named: int = 0
    drop: float = 0.0
    lose: float = 0.0
    swapped: float = 0.0
    lie: float = 0.0
    shuffled: float = 0.0

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name == "named":
                if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 5:
                    raise ConfigError(f"captions: named is {value!r}. Give a whole number of things, 0 for all.")
            elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise ConfigError(f"captions: {one.name} is {value!r}. Give a share from 0 to 1.")
        if (faulty := self.swapped + self.lie + self.shuffled) > 1:
            raise ConfigError(
                f"captions: swapped, lie and shuffled make {faulty:g} of the captions together, and a caption is wrong in one "
                "way only. Give shares that sum to 1 at the most."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """A caption with its truth.

    Args:
        text: as it is said.
        fault: one of FAULTS, empty where there is none.
        text_true: as it would be without the fault.
        named: which things of the scene `text_true` names, by place.
    """

    kind: str
    lang: str
    text: str
    fault: str
    text_true: str
    named: tuple[int, ...]


def captions(
    scene: Scene,
    kind: str,
    rule: CaptionRule,
    languages: Sequence[str],
    luck: random.Random,
    options: SceneOptions,
    another: Callable[[random.Random], Scene],
) -> list[Caption]:
    """Return one caption in each language, all saying the same.

    Args:
        luck: decides what is left out and what is wrong.
        options: of the scene; a lie is one of its words.
        another: gives some other scene, which a swapped caption is about.
    """
    named = rule.named or (1 if kind == "alt" else 0)
    tell = told(kind, scene, luck, named, rule.drop, rule.lose)
    fault = _fault(rule, luck)
    shown, wrong = scene, tell
    if fault == "swapped":
        shown, wrong = _swapped(scene, kind, named, rule, luck, another)
    elif fault == "lie":
        wrong = _lying(scene, kind, tell, luck, options)
    found = []
    for lang in languages:
        grammar = GRAMMARS[lang]
        true = write(kind, scene, tell, grammar)
        text = write(kind, shown, wrong, grammar) if fault in ("swapped", "lie") else true
        text = mixed(text, luck, grammar) if fault == "shuffled" and kind != "word" else text
        places = tuple(scene.things.index(one.thing) for one in tell)
        found.append(
            Caption(
                kind=kind, lang=lang, text=text, fault=fault if text != true else "", text_true=true, named=places
            )
        )  # fmt: skip
    return found


def _fault(rule: CaptionRule, luck: random.Random) -> str:
    mark = luck.random()
    for name in FAULTS:
        if mark < (share := getattr(rule, name)):
            return name
        mark -= share
    return ""


def _swapped(
    scene: Scene, kind: str, named: int, rule: CaptionRule, luck: random.Random, another: Callable[[random.Random], Scene]
) -> tuple[Scene, list[Told]]:  # fmt: skip
    """Return another scene and what is said of it, which is not true of this one by chance."""
    for _ in range(_TRIES):
        other = another(luck)
        tell = told(kind, other, luck, named, rule.drop, rule.lose)
        if not all(any(fits(one.said, thing) for thing in scene.things) for one in tell):
            break
    return other, tell


def _lying(scene: Scene, kind: str, tell: Sequence[Told], luck: random.Random, options: SceneOptions) -> list[Told]:
    """Return the same with one word of the first thing changed, so that it is true of nothing in the scene."""
    first = tell[0]
    for name in shuffled(luck, (*ATTRIBUTES, "shape")):
        now = getattr(first.said, name)
        words = [word for word in getattr(options, f"{name}s") if word != now and (word != "plain" or kind == "attr")]
        for word in [] if now is None else shuffled(luck, words):
            said: Said = replace(first.said, **{name: word})
            if not any(fits(said, thing) for thing in scene.things):
                return [Told(thing=first.thing, said=said), *tell[1:]]
    return list(tell)
