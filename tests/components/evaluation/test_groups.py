"""Groups are those of all pictures there are, and a picture without one is asked of nothing."""

from dataclasses import replace

import numpy as np

from components.evaluation.groups import Grouped, choices, of_nearest
from tests.squares import COLOURS
from tests.subjects import Told, subject_of

NOBODY = Told({}, {})


def test_a_group_that_only_a_pool_has_can_be_chosen(squares):
    subject = subject_of(squares, NOBODY, NOBODY, {"train": range(10), "val": range(10, 50)})
    assert choices(subject, "category") == (sorted(COLOURS), "")


def test_one_group_and_none_leave_nothing_to_choose(squares):
    subject = subject_of(squares, NOBODY, NOBODY, {"train": range(5), "val": range(5, 10)})
    assert choices(subject, "category") == (
        ["red"],
        "every labelled picture has the category 'red', so there is nothing to choose from",
    )
    assert choices(subject, "shape") == ([], "no picture has a shape, so there is nothing to choose from")


def test_pictures_without_a_group_are_left_out_and_the_others_keep_their_order(squares):
    groups = tuple({} if place % 2 else group for place, group in enumerate(squares.groups))
    known = Grouped.of(replace(squares, groups=groups), "category", sorted(COLOURS))
    assert known.has.tolist() == [True, False] * 25
    assert known.keys == squares.keys[::2]
    assert known.about == squares.concepts[::2]
    assert [sorted(COLOURS)[place] for place in known.belongs.argmax(1)] == list(known.groups)
    assert known.belongs.sum(1).tolist() == [1] * 25


def test_pictures_of_one_series_err_together_also_where_what_they_show_differs(squares):
    series = tuple(f"s{place // 10}" if place < 20 else None for place in range(len(squares)))
    apart = replace(squares, concepts=squares.keys, series=series)
    known = Grouped.of(apart, "category", sorted(COLOURS))
    assert known.about == (*squares.keys[:1] * 10, *squares.keys[10:11] * 10, *squares.keys[20:])


def test_a_pool_without_groups_has_no_row(squares):
    known = Grouped.of(replace(squares, groups=()), "category", sorted(COLOURS))
    assert known.keys == ()
    assert known.belongs.shape == (0, 5)
    assert not known.has.any()
    assert Grouped.of(replace(squares, groups=()), "category", []).belongs.shape == (0, 0)


def test_the_nearest_training_picture_lends_its_group(squares):
    """The same squares are trained on in another size."""
    subject = subject_of(squares, NOBODY, NOBODY, {"train": range(0, 50, 2), "val": range(1, 50, 2)})
    near = of_nearest(subject, "val", "category", sorted(COLOURS))
    lent = [sorted(COLOURS)[place] for place in near.argmax(1)]
    assert np.mean(np.array(lent) == np.array(subject.pools["val"].labelled("category"))) > 0.9
