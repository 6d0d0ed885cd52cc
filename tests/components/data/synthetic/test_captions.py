import random
from collections import Counter

import pytest

from components.data.synthetic.captions import CaptionRule, captions
from components.data.synthetic.grammars.grammar import Said
from components.data.synthetic.scene import Scene, Thing
from components.data.synthetic.scenes import ScenesSource
from components.data.synthetic.writer import GRAMMARS, KINDS, concept, fits, shortest, told, write

COUNT = 1500


def thing(shape, colour, size, texture, cell):
    return Thing(
        shape=shape, colour=colour, size=size, texture=texture, cell=cell, centre=(1, 1), radius=5.0, turn=0.0
    )  # fmt: skip


RED, BLUE, LOW = (
    thing("circle", "red", "small", "striped", (0, 0)),
    thing("circle", "blue", "large", "plain", (0, 2)),
    thing("star", "blue", "large", "plain", (2, 1)),
)
SCENE = Scene(things=(RED, BLUE, LOW), designer="flat", size_px=64, grid=3)


def said(kind, scene=SCENE, lang="en", **less):
    return write(kind, scene, told(kind, scene, random.Random(0), **less), GRAMMARS[lang])


def rows(**rule):
    """Pairs of a picture to train on and its captions."""
    source = ScenesSource(pictures=COUNT, captions={kind: rule for kind in ("alt", "short", "long", "attr")})
    return [one for one in source.shown(0) if one.split == "train"]


def test_each_kind_says_what_it_is_for():
    assert {kind: said(kind) for kind in KINDS} == {
        "alt": "a small striped red circle, with a large blue circle and a large blue star",
        "short": "a small striped red circle left of a large blue circle, with a large blue star",
        "dense": "a small striped red circle at the top left, a large blue circle at the top right, a large blue star at the bottom",
        "long": "There is a small striped red circle at the top left. There is a large blue circle at the top right. There is a large "
        "blue star at the bottom. The red circle is left of the blue circle. The red circle is smaller than the blue circle. "
        "The blue circle is above the blue star. The blue circle is right of the blue star.",
        "ref": "the red circle",
        "attr": "The circle is small, red and striped.",
        "word": "circle",
    }
    assert said("alt", named=1) == "a small striped red circle"
    assert said("short", Scene(things=(LOW,), designer="flat", size_px=64, grid=3)) == "a large blue star at the bottom"


def test_a_reference_is_the_shortest_that_fits_nothing_else():
    assert shortest(LOW, SCENE) == Said(shape="star")
    assert shortest(BLUE, SCENE) == Said(shape="circle", colour="blue")
    for shown in ScenesSource(pictures=200, scene={"things": [3, 5], "shapes": ["circle", "ring", "star"]}).shown(0):
        for one in shown.scene.things:
            assert [fits(shortest(one, shown.scene), other) for other in shown.scene.things].count(True) == 1


def test_a_concept_does_not_depend_on_who_is_named_first():
    turned = Scene(things=(BLUE, RED, LOW), designer="ink", size_px=64, grid=3)
    assert said("short", turned) != said("short")
    assert concept(turned) == concept(SCENE) == said("short")


def test_without_a_rule_captions_are_true():
    assert not any(one.fault or one.text != one.text_true for shown in rows() for one in shown.captions)


def test_attributes_are_left_out_as_often_as_asked_for():
    kept = Counter(name for shown in rows(drop=0.3) for name in ("size", "colour") if getattr(shown.scene.things[0], name) in shown.captions[0].text.split())  # fmt: skip
    number = len(rows())
    assert kept["size"] / number == pytest.approx(0.7, abs=0.04)
    assert kept["colour"] / number == pytest.approx(0.7, abs=0.04)
    everything_dropped = rows(drop=1.0)
    assert all(one.captions[0].text == f"a {one.scene.things[0].shape}" for one in everything_dropped)
    assert all(f"is {one.scene.things[0].colour}." in one.captions[3].text for one in everything_dropped)


def test_things_are_left_out_as_often_as_asked_for_and_the_truth_says_which():
    found = [(one, shown) for shown in rows(lose=0.5) for one in shown.captions if one.kind == "long"]
    further = sum(len(shown.scene.things) - 1 for _, shown in found)
    assert sum(len(one.named) - 1 for one, _ in found) / further == pytest.approx(0.5, abs=0.04)
    for one, shown in found:
        assert one.named[0] == 0
        assert one.text.count("There is") == len(one.named)
        assert all(
            f"{shown.scene.things[place].colour} {shown.scene.things[place].shape}" in one.text for place in one.named
        )


@pytest.mark.parametrize("fault", ["swapped", "lie", "shuffled"])
def test_captions_are_wrong_as_often_as_asked_for_and_the_truth_stands_beside(fault):
    found = [(one, shown.scene) for shown in rows(**{fault: 0.4}) for one in shown.captions]
    wrong = [(one, scene) for one, scene in found if one.fault]
    assert {one.fault for one, _ in wrong} == {fault}
    assert len(wrong) / len(found) == pytest.approx(0.4, abs=0.03)
    assert all((one.text != one.text_true) == bool(one.fault) for one, _ in found)
    if fault == "shuffled":
        assert all(sorted(one.text.split()) == sorted(one.text_true.split()) for one, _ in wrong)
    if fault == "lie":
        alts = [one for one, _ in wrong if one.kind == "alt"]
        differ = [sum(a not in one.text.split() for a in one.text_true.split()[1:]) for one in alts]
        assert set(differ) == {1}


def test_a_lie_is_true_of_nothing_in_the_picture():
    """One thing of two attributes is said, read back word by word."""
    for shown in rows(lie=1.0):
        words = shown.captions[0].text.split()[1:]
        colour, shape = words[-2:]
        texture = words[1] if len(words) == 4 else None
        read = Said(shape=shape, colour=colour, size=words[0], texture=texture)
        assert not any(fits(read, one) for one in shown.scene.things)


def test_all_languages_tell_the_same_lie():
    source = ScenesSource(pictures=200, languages=["en", "de"], captions={"word": {"lie": 0.5}})
    words = {GRAMMARS["en"].word(shape): GRAMMARS["de"].word(shape) for shape in source.scene.shapes}
    faults = Counter()
    for shown in source.shown(0):
        if shown.split == "train":
            english, german = shown.captions
            assert words[english.text] == german.text
            assert english.fault == german.fault
            faults[english.fault] += 1
    assert set(faults) == {"", "lie"}


@pytest.mark.parametrize("lang", list(GRAMMARS))
def test_one_word_cannot_be_shuffled_and_is_no_fault(lang):
    rule, options = CaptionRule(shuffled=1.0), ScenesSource().scene
    (one,) = captions(SCENE, "word", rule, [lang], random.Random(0), options, lambda luck: SCENE)
    assert (one.text, one.fault) == (GRAMMARS[lang].word("circle"), "")
