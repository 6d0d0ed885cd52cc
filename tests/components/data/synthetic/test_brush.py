from dataclasses import replace

import numpy as np
import pytest

from components.data.synthetic.brush import draw, place
from components.data.synthetic.scene import Kinds, Scene, SceneOptions, Thing, compose
from components.data.synthetic.words import COLOURS, DESIGNERS, SHAPES

PLAIN = Thing(
    shape="square", colour="red", size="large", texture="plain", cell=(0, 0), centre=(20, 12), radius=10.55, turn=0.0
)


def of(*things, designer="flat"):
    return Scene(things=things, designer=designer, size_px=64, grid=3)


def test_a_box_holds_its_mask_and_nothing_more():
    """A square of radius 10.55 reaches 10.55 / sqrt(2) = 7.46 pixels from the middle of pixel 20, 12: 15 x 15 pixels."""
    placed = place(of(PLAIN), PLAIN)
    assert placed.box == pytest.approx((13 / 64, 5 / 64, 28 / 64, 20 / 64))
    assert placed.mask[5:20, 13:28].all()
    assert placed.mask.sum() == 15 * 15


def test_what_is_inside_the_mask_has_the_colour_and_the_rest_is_paper():
    for index in range(40):
        options = SceneOptions(things=(1, 3), textures=("plain",))
        scene = replace(compose(0, index, options, Kinds.of(options, 0)), designer="flat")
        picture, near = draw(scene).astype(int), np.zeros((64, 64), bool)
        for thing in scene.things:
            mask = place(scene, thing).mask
            off = abs(picture - np.array(COLOURS[thing.colour])).max(-1)
            assert (off[mask] == 0).mean() > 0.4  # the rest are edges
            near |= np.pad(mask, 1)[2:, 1:-1] | np.pad(mask, 1)[:-2, 1:-1] | mask
            near[:, 1:] |= mask[:, :-1]
            near[:, :-1] |= mask[:, 1:]
        assert (picture[~near] > 200).mean() > 0.995


def test_a_ring_has_a_hole():
    mask = place(of(PLAIN), replace(PLAIN, shape="ring")).mask
    assert not mask[12, 20]
    assert mask[12, 28]


@pytest.mark.parametrize("designer", DESIGNERS)
def test_every_word_changes_the_picture(designer):
    def ink(**words):
        return draw(of(replace(PLAIN, **words), designer=designer))

    words = [{"shape": shape} for shape in SHAPES] + [{"colour": colour} for colour in COLOURS if colour != "red"]
    words += [{"texture": texture} for texture in ("striped", "dotted", "checked")] + [{"radius": 6.0}]
    assert len({ink(**word).tobytes() for word in words}) == len(words)


def test_a_texture_lets_the_paper_through_and_keeps_the_shape():
    solid, holed = draw(of(PLAIN)).astype(int), draw(of(replace(PLAIN, texture="checked"))).astype(int)
    mask = place(of(PLAIN), PLAIN).mask
    changed = abs(solid - holed).max(-1) > 20
    assert 0.3 < changed[mask].mean() < 0.7
    assert not changed[~mask].any()
    assert (abs(holed - 255).max(-1)[mask] > 40).all()


def test_things_at_the_edge_are_cut_off_and_no_error():
    for centre in ((0, 0), (63, 63), (0, 63)):
        thing = replace(PLAIN, centre=centre)
        box = place(of(thing), thing).box
        assert min(box) >= 0
        assert max(box) <= 1
        assert draw(of(thing)).shape == (64, 64, 3)
