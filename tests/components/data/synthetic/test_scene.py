from collections import Counter

import pytest

from components.data.synthetic.scene import ROLES, Kinds, SceneOptions, compose, relations, upright
from components.data.synthetic.words import OPPOSITE, PLACES, RELATIONS

CROWDED = SceneOptions(things=(3, 5), size_px=96)


def drawn(options, count=300, seed=0):
    kinds = Kinds.of(options, seed)
    return [compose(seed, index, options, kinds) for index in range(count)]


def test_things_stand_in_cells_of_their_own_and_no_two_are_of_one_kind():
    for scene in drawn(CROWDED):
        assert 3 <= len(scene.things) <= 5
        assert len({thing.cell for thing in scene.things}) == len({thing.kind for thing in scene.things})
        assert len({thing.cell for thing in scene.things}) == len(scene.things)
        for thing in scene.things:
            row, column = thing.cell
            assert 32 * column <= thing.centre[0] < 32 * (column + 1)
            assert 32 * row <= thing.centre[1] < 32 * (row + 1)


def test_every_word_is_used_about_as_often_as_any_other():
    scenes = drawn(CROWDED, 1000)
    for name in ("shape", "colour", "size", "texture"):
        seen = Counter(getattr(thing, name) for scene in scenes for thing in scene.things)
        assert len(seen) == len(getattr(CROWDED, f"{name}s"))
        assert max(seen.values()) < 2 * min(seen.values())
    assert set(PLACES) == {scene.place(thing) for scene in scenes for thing in scene.things}


def test_relations_hold_both_ways_and_the_farther_one_comes_first():
    seen = set()
    for scene in drawn(CROWDED):
        one, other = scene.things[:2]
        there, back = relations(one, other), relations(other, one)
        assert sorted(OPPOSITE[relation] for relation in there) == sorted(back)
        down, across = (abs(b - a) for a, b in zip(one.cell, other.cell, strict=True))
        assert (there[0] in ("above", "below")) == (down > across)
        left, lies, right = upright(one, other)
        assert relations(left, right)[0] == lies in ("left of", "above")
        seen |= {*there}
    assert seen == set(RELATIONS)


@pytest.mark.parametrize("grid", [2, 3, 4, 5])
def test_places_are_thirds_of_the_picture_in_any_grid(grid):
    options = SceneOptions(grid=grid, size_px=96, things=(1, 4))
    for scene in drawn(options, 100):
        for thing in scene.things:
            down, across = divmod(PLACES.index(scene.place(thing)), 3)
            assert (down, across) == tuple(int(3 * (at + 0.5) / grid) for at in thing.cell)


def test_frequencies_follow_zipf():
    options = SceneOptions(zipf=1.0, things=(1, 1))
    kinds = Kinds.of(options, 0)
    seen = Counter(scene.things[0].kind for scene in drawn(options, 4000))
    first, tenth = (seen[kinds.seen[rank]] for rank in (0, 9))
    assert 6 < first / tenth < 15  # ten times, by chance a little more or less


def test_one_in_twenty_is_unseen_in_both_ways():
    assert (len(ROLES), ROLES.count("both"), ROLES.count("concept"), ROLES.count("designer")) == (20, 1, 2, 2)


def test_held_out_kinds_leave_every_colour_and_shape_to_training():
    for seed in range(20):
        kinds = Kinds.of(SceneOptions(), seed)
        assert len(kinds.held_out) == 6
        assert not set(kinds.seen) & set(kinds.held_out)
        assert all(len(set(words)) == 6 for words in zip(*kinds.held_out, strict=True))
