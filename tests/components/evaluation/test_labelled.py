"""Parts are drawn by names within each class, things stay whole, and a class that cannot be parted is named."""

from collections import Counter

import pytest

from components.evaluation.labelled import parted


@pytest.mark.parametrize(("test", "counts"), [(True, (60, 20, 20)), (False, (80, 20, 0))])
def test_each_class_is_parted_alike(test, counts):
    labels = ["a"] * 100 + ["b"] * 100
    parts = parted(labels, [f"{place}" for place in range(200)], test)
    for label in "ab":
        its = Counter(part for part, one in zip(parts, labels, strict=True) if one == label)
        assert (its["train"], its["val"], its["test"]) == counts


def test_the_order_and_the_others_of_a_class_decide_nothing_but_the_name():
    labels, names = ["a"] * 40 + ["b"] * 40, [f"{place}" for place in range(80)]
    parts = dict(zip(names, parted(labels, names, True), strict=True))
    turned = dict(zip(names[::-1], parted(labels[::-1], names[::-1], True), strict=True))
    assert parts == turned
    alone = dict(zip(names[:40], parted(labels[:40], names[:40], True), strict=True))
    assert alone == {name: parts[name] for name in names[:40]}


def test_pictures_of_one_thing_are_of_one_part():
    labels = [label for label in "ab" for _ in range(60)]
    things = [f"{label}{place // 4}" for label in "ab" for place in range(60)]
    parts = parted(labels, things, True)
    assert all(len({part for part, one in zip(parts, things, strict=True) if one == thing}) == 1 for thing in things)
    assert set(parts) == {"train", "val", "test"}


@pytest.mark.parametrize(("count", "test"), [(2, True), (1, True), (1, False)])
def test_a_class_with_too_few_is_named_with_how_many_it_has(count, test):
    why = parted(["many"] * 9 + ["few"] * count, [f"{place}" for place in range(9 + count)], test)
    assert why == f"1 of its classes have too few pictures for {3 if test else 2} parts: 'few' ({count})"


def test_three_pictures_are_one_a_part():
    assert sorted(parted(["a"] * 3, ["x", "y", "z"], True)) == ["test", "train", "val"]
