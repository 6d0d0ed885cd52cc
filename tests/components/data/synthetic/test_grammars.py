"""Sentences as a speaker of each language writes them, by hand."""

import pytest

from components.data.synthetic.grammars.grammar import Said
from components.data.synthetic.words import COLOURS, PLACES, RELATIONS, SHAPES, SIZES, TEXTURES
from components.data.synthetic.writer import GRAMMARS

CIRCLE = Said(shape="circle", colour="green", size="small", texture="striped")
STAR = Said(shape="star", colour="black", size="large", texture="plain")
RING = Said(shape="ring", colour="orange", size="medium", texture="dotted")
DIAMOND = Said(shape="diamond", colour="purple", texture="checked")

WRITTEN = {
    "en": (
        "a small striped green circle",
        "a medium dotted orange ring right of a large black star",
        "a large black star larger than a small striped green circle",
        "an orange ring at the top left",
        "a cross, with a small striped green circle and a large black star",
        "There is a checked purple diamond in the centre.",
        "The large black star is above the medium dotted orange ring.",
        "The star is large, black and plain.",
    ),
    "de": (
        "ein kleiner gestreifter grüner Kreis",
        "ein mittelgroßer gepunkteter orangefarbener Ring rechts von einem großen schwarzen Stern",
        "ein großer schwarzer Stern größer als ein kleiner gestreifter grüner Kreis",
        "ein orangefarbener Ring oben links",
        "ein Kreuz, mit einem kleinen gestreiften grünen Kreis und einem großen schwarzen Stern",
        "In der Mitte ist eine karierte violette Raute.",
        "Der große schwarze Stern ist über dem mittelgroßen gepunkteten orangefarbenen Ring.",
        "Der Stern ist groß, schwarz und einfarbig.",
    ),
    "fr": (
        "un petit cercle vert à rayures",
        "un anneau orange à pois de taille moyenne à droite d'une grande étoile noire",
        "une grande étoile noire plus grande qu'un petit cercle vert à rayures",
        "un anneau orange en haut à gauche",
        "une croix, avec un petit cercle vert à rayures et une grande étoile noire",
        "Il y a un losange violet à carreaux au centre.",
        "La grande étoile noire est au-dessus de l'anneau orange à pois de taille moyenne.",
        "L'étoile est grande, noire et unie.",
    ),
    "es": (
        "un círculo verde a rayas pequeño",
        "un anillo naranja con lunares mediano a la derecha de una estrella negra grande",
        "una estrella negra grande más grande que un círculo verde a rayas pequeño",
        "un anillo naranja arriba a la izquierda",
        "una cruz, con un círculo verde a rayas pequeño y una estrella negra grande",
        "Hay un rombo morado a cuadros en el centro.",
        "La estrella negra grande está encima del anillo naranja con lunares mediano.",
        "La estrella es grande, negra y lisa.",
    ),
    "zh": (
        "一个小的绿色条纹圆形",
        "一个中等的橙色圆点圆环在一个大的黑色星形的右边",
        "一个大的黑色星形比一个小的绿色条纹圆形大",
        "左上角的一个橙色圆环",
        "一个十字形，还有一个小的绿色条纹圆形和一个大的黑色星形",
        "中央有一个紫色格子菱形。",
        "大的黑色星形在中等的橙色圆点圆环的上面。",
        "星形是大的、黑色的、纯色的。",
    ),
}


@pytest.mark.parametrize("lang", list(GRAMMARS))
def test_sentences_are_those_that_a_speaker_writes(lang):
    grammar = GRAMMARS[lang]
    assert (
        grammar.a(CIRCLE),
        grammar.related(RING, "right of", STAR),
        grammar.related(STAR, "larger than", CIRCLE),
        grammar.placed(RING.only(["colour"]), "top left"),
        grammar.along(grammar.a(Said(shape="cross")), [CIRCLE, STAR]),
        grammar.there_is(DIAMOND, "centre"),
        grammar.states(STAR, "above", RING),
        grammar.attributes(STAR),
    ) == WRITTEN[lang]


@pytest.mark.parametrize("lang", list(GRAMMARS))
def test_different_things_are_said_differently(lang):
    grammar = GRAMMARS[lang]
    every = [
        Said(shape=shape, colour=colour, size=size, texture=texture)
        for shape in SHAPES for colour in COLOURS for size in (None, *SIZES) for texture in TEXTURES
    ]  # fmt: skip
    for say in (grammar.a, grammar.the, grammar.attributes):
        assert len({say(said) for said in every}) == len(every)
    assert len({grammar.word(shape) for shape in SHAPES}) == len(SHAPES)
    assert len({grammar.placed(CIRCLE, place) for place in PLACES}) == len(PLACES)
    assert len({grammar.states(CIRCLE, relation, STAR) for relation in RELATIONS}) == len(RELATIONS)


def test_french_and_german_articles_agree_also_where_nothing_is_said_of_the_thing():
    french, german = GRAMMARS["fr"], GRAMMARS["de"]
    assert [french.the(Said(shape=shape)) for shape in ("star", "ring", "cross", "heart")] == [
        "l'étoile", "l'anneau", "la croix", "le cœur"
    ]  # fmt: skip
    assert french.states(Said(shape="star"), "left of", Said(shape="circle")) == "L'étoile est à gauche du cercle."
    assert (
        french.states(Said(shape="cross"), "smaller than", Said(shape="star"))
        == "La croix est plus petite que l'étoile."
    )
    assert [german.the(Said(shape=shape)) for shape in ("star", "cross", "diamond")] == ["der Stern", "das Kreuz", "die Raute"]  # fmt: skip
    assert german.states(Said(shape="diamond"), "left of", Said(shape="diamond", colour="red")) == (
        "Die Raute ist links von der roten Raute."
    )
