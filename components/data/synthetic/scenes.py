"""Scenes: drawn things, with captions of every kind in several languages. Nothing is downloaded, and what is true is known.

One to five things of a size, a colour, a texture and a shape stand in the cells of a grid; docs/scenes.md shows some. A
picture follows from seed, index and settings alone: more pictures leave the first as they are.
Splits: a tenth of the kinds (colour and shape) is never trained on, and tested in `concept`; the designer chalk is not
either, and tested in `designer`; `both` is both. Of the rest, whatever the same is said of is in one of train, val and pair.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from components.contracts.errors import ConfigError
from components.contracts.progress import Progress
from components.contracts.sample import Media, Region, Sample, Text
from components.data.masks import pack
from components.data.splits import chance
from components.data.synthetic.brush import draw, place, png
from components.data.synthetic.captions import Caption, CaptionRule, captions
from components.data.synthetic.grammars.grammar import Said
from components.data.synthetic.scene import ROLES, Kinds, Scene, SceneOptions, compose, pick
from components.data.synthetic.settings import share, some, typed
from components.data.synthetic.twins import twins
from components.data.synthetic.words import DESIGNERS, HELD_OUT
from components.data.synthetic.writer import GRAMMARS, KINDS, concept, shortest

LICENCE = "CC0-1.0"
PAIR_SHARE, VAL_SHARE = 0.1, 0.08  # of what is seen in training
MOST = 10_000_000
_SEEN = 17  # an index, modulo the number of roles, of role `seen`
_TWIN_TRIES = 400  # a twin is of its sibling's split, which is up to a hash: one in twelve at the worst


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One picture with all that is known of it.

    Args:
        key: names the sample.
        twin_of: key of the picture that it differs from in one thing, None for most.
        change: in what.
    """

    key: str
    scene: Scene
    split: str
    captions: tuple[Caption, ...]
    twin_of: str | None = None
    change: str | None = None


class ScenesSource:
    """Draws pictures and writes what can be said of them.

    Args:
        pictures: how many, twins included.
        languages: that each caption is written in, of en, de, fr, es, zh.
        scene: what pictures are made of, such as {size_px: 64, things: [3, 5], grid: 4}; see SceneOptions.
        captions: kinds that pictures to train on have (alt, short, dense, long, ref, attr, word), or each kind with how it is
            made: {alt: {swapped: 0.4}, short: {drop: 0.3, lie: 0.05}}; see CaptionRule.
        tested: kinds that all other pictures have; these are always true and whole.
        twins: share of the other pictures that are followed by one that differs in a single thing.
        regions: whether pictures come with where their things are, each with its noun and the shortest words for it.
        wrong_regions: share of the regions to train on whose words are of something that is not in the picture.
    """

    def __init__(
        self,
        pictures: int = 240,
        languages: Sequence[str] = ("en",),
        scene: Mapping[str, Any] | None = None,
        captions: Mapping[str, Mapping[str, Any]] | Sequence[str] = ("short",),
        tested: Sequence[str] = ("short",),
        twins: float = 0.0,
        regions: bool = True,
        wrong_regions: float = 0.0,
    ) -> None:
        if isinstance(pictures, bool) or not isinstance(pictures, int) or not 1 <= pictures <= MOST:
            raise ConfigError(f"source.pictures is {pictures!r}. Give a whole number from 1 to {MOST:,}.")
        if not isinstance(regions, bool):
            raise ConfigError(f"source.regions is {regions!r}. Give true or false.")
        self.pictures, self.regions = pictures, regions
        self.twins, self.wrong_regions = share("twins", twins), share("wrong_regions", wrong_regions)
        self.languages = some("languages", languages, tuple(GRAMMARS))
        self.tested = some("tested", tested, KINDS)
        self.scene = typed("scene", SceneOptions, scene or {})
        rules = captions if isinstance(captions, Mapping) else {one: {} for one in some("captions", captions, KINDS)}
        some("captions", tuple(rules), KINDS)
        self.captions = {kind: typed(f"captions.{kind}", CaptionRule, rule or {}) for kind, rule in rules.items()}

    def samples(self, seed: int, progress: Progress) -> Iterator[Sample]:
        """Yield the pictures by index, a twin right after its sibling."""
        kinds = Kinds.of(self.scene, seed)
        for done, shown in enumerate(self.shown(seed), 1):
            regions = tuple(self._regions(shown, seed, kinds)) if self.regions else ()
            yield _sample(shown, regions)
            progress("draw and write pictures", done, self.pictures)

    def shown(self, seed: int) -> Iterator[Shown]:
        """Yield what `samples` are made of, in the same order, and nothing drawn."""
        kinds = Kinds.of(self.scene, seed)
        index = done = 0
        while done < self.pictures:
            one = self._shown(seed, index, kinds)
            pair = (one,) if (twin := self._twin(one, seed, kinds)) is None else (one, twin)
            yield from pair[: self.pictures - done]
            index, done = index + 1, done + len(pair)

    def describe(self) -> dict[str, object]:
        """Return what the pictures are made of; with the settings and the seed all of them can be made again."""
        return {
            "name": "scenes",
            "designers": dict.fromkeys(DESIGNERS, LICENCE),
            "held_out": HELD_OUT,
            "languages": list(self.languages),
            "size_px": self.scene.size_px,
            "pictures": self.pictures,
            "settings": self.settings,
        }

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Return what `ScenesSource(**settings)` makes an equal source of, as plain values."""
        scene = {
            name: list(value) if isinstance(value, list | tuple) else value
            for name, value in asdict(self.scene).items()
        }
        return {
            "pictures": self.pictures,
            "languages": list(self.languages),
            "scene": scene,
            "captions": {kind: asdict(rule) for kind, rule in self.captions.items()},
            "tested": list(self.tested),
            "twins": self.twins,
            "regions": self.regions,
            "wrong_regions": self.wrong_regions,
        }

    def _shown(self, seed: int, index: int, kinds: Kinds) -> Shown:
        scene = compose(seed, index, self.scene, kinds)
        return self._said(f"scene-{index:06d}", scene, split_of(scene, seed, kinds), seed, kinds)

    def _regions(self, shown: Shown, seed: int, kinds: Kinds) -> Iterator[Region]:
        """Yield where each thing is; what is said of it is in the first language, and wrong in training where asked for."""
        scene, luck = shown.scene, random.Random(f"{seed}/{shown.key}/regions")
        wrong = self.wrong_regions if shown.split == "train" else 0.0
        there = {thing.kind for thing in scene.things}
        for thing in scene.things:
            said, placed = shortest(thing, scene), place(scene, thing)
            if luck.random() < wrong:
                colour, shape = pick(luck, [kind for kind in kinds.seen if kind not in there])
                said = Said(shape=shape, colour=colour)
            yield Region(
                box=placed.box, label=said.shape, text=GRAMMARS[self.languages[0]].the(said),
                of_px=(scene.size_px, scene.size_px), mask=pack(placed.mask),
            )  # fmt: skip

    def _twin(self, one: Shown, seed: int, kinds: Kinds) -> Shown | None:
        """Return the picture that differs in one thing and is of the same split; None where none is asked for, or found."""
        if one.split == "train" or chance(seed, "twin", one.key) >= self.twins:
            return None
        luck = random.Random(f"{seed}/{one.key}/twin")
        for _, twin in zip(range(_TWIN_TRIES), twins(one.scene, self.scene, kinds, luck)):  # noqa: B905 -- the shorter
            if split_of(twin.scene, seed, kinds) == one.split and concept(twin.scene) != concept(one.scene):
                said = self._said(f"{one.key}-twin", twin.scene, one.split, seed, kinds)
                return Shown(
                    key=said.key, scene=said.scene, split=said.split, captions=said.captions, twin_of=one.key, change=twin.change,
                )  # fmt: skip
        return None

    def _said(self, key: str, scene: Scene, split: str, seed: int, kinds: Kinds) -> Shown:
        rules = self.captions if split == "train" else dict.fromkeys(self.tested, CaptionRule(named=5))
        said: list[Caption] = []

        def another(luck: random.Random) -> Scene:
            """Return a scene of split train: nothing of what is tested is read in training, not even of a wrong picture."""
            while True:
                index = MOST + int(luck.random() * MOST / len(ROLES)) * len(ROLES) + _SEEN
                found = compose(seed, index, self.scene, kinds)
                if split_of(found, seed, kinds) == "train":
                    return found

        for kind, rule in rules.items():
            luck = random.Random(f"{seed}/{key}/{kind}")
            said += captions(scene, kind, rule, self.languages, luck, self.scene, another)
        return Shown(key=key, scene=scene, split=split, captions=tuple(said))


def split_of(scene: Scene, seed: int, kinds: Kinds) -> str:
    """Return the split; all pictures of which the same is said, drawn by designers of training, are in one."""
    unseen = any(thing.kind in kinds.held_out for thing in scene.things)
    if scene.designer == HELD_OUT:
        return "both" if unseen else "designer"
    if unseen:
        return "concept"
    lot = chance(seed, "scene", concept(scene))
    return "pair" if lot < PAIR_SHARE else "val" if lot < PAIR_SHARE + VAL_SHARE else "train"


def _sample(shown: Shown, regions: tuple[Region, ...]) -> Sample:
    alone = shown.scene.things[0] if len(shown.scene.things) == 1 else None  # several things are of no one class
    classes = {} if alone is None else {"category": alone.shape, "subcategory": alone.colour}
    return Sample(
        key=shown.key,
        split=shown.split,
        source=shown.scene.designer,
        licence=LICENCE,
        media=(Media(member=f"{shown.key}.png", data=png(draw(shown.scene))),),
        texts=tuple(Text(text=one.text, kind=one.kind, lang=one.lang) for one in shown.captions),
        labels={"concept": concept(shown.scene)} | classes,
        regions=regions,
    )
