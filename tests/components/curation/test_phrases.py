"""Scenes are read without a mistake, whatever they are told in; other captions as far as the rules go."""

import random

import pytest

from components.curation.phrases import Phrase, phrases
from components.data.synthetic.writer import GRAMMARS, KINDS, told, write
from tests.components.curation.scenes import some_scenes


def as_said(kind, scene, luck):
    """What a caption of a kind says, and the things it says it of."""
    tell = told(kind, scene, luck, named=0, drop=0.3)
    caption = write(kind, scene, tell, GRAMMARS["en"])
    named = set()
    for one in tell if kind not in ("ref", "attr", "word") else tell[:1]:
        words = {one.said.colour, one.said.size, one.said.texture} - {None}
        named.add(Phrase(noun=one.said.shape, attributes=tuple(sorted(words if kind == "attr" else words - {"plain"}))))
    return caption, named


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_said_of_scenes_is_read_without_a_mistake(kind):
    luck = random.Random(7)
    for scene in some_scenes(60):
        caption, named = as_said(kind, scene, luck)
        read = set(phrases(caption))
        if kind == "long":  # it comes back to things with fewer words, or more
            assert {one.noun for one in read} == {one.noun for one in named}, caption
            assert named <= read, caption
        else:
            assert read == named, caption


@pytest.mark.parametrize(
    ("caption", "named"),
    [
        ("A man riding a brown horse on the beach.", ["man", "brown horse", "beach"]),
        ("two dogs and a very small white cat near the old car", ["two dogs", "small white cat", "old car"]),
        ("a red and blue flag", ["blue red flag"]),
        ("The flag is red, white and blue.", ["blue red white flag"]),
        ("There is a ring. Green and shiny stars", ["ring", "green shiny stars"]),
        ("a photo of a wooden building in the evening", ["wooden building", "evening"]),
        ("a dog; a dog, and the dog", ["dog"]),
        ("a car park", ["car park"]), ("a child's drawing", ["child's"]),
        ("red", []), ("", []), ("12 / 34 !!", []),
    ],
)  # fmt: skip
def test_other_captions_are_read_by_the_same_rules(caption, named):
    assert [str(one) for one in phrases(caption)] == named
