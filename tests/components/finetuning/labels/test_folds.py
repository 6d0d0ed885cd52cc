"""Few pictures choose together with those that are learnt from, each where it was left out."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from components.data.transforms.preprocess import Preprocess
from components.evaluation.embedding import Embedder
from components.evaluation.hard_data import FEW_TO_CHOOSE_BY
from components.finetuning.labels import folds
from components.finetuning.labels.cache import Cache
from components.finetuning.labels.choice import Choice
from components.finetuning.labels.soft_prompt import SoftPrompt
from components.finetuning.labels.way import TIE, Fitted, LabelVectors, LabelWay, Seen, Shown
from components.finetuning.race import Heat
from components.stages.raced import best_of
from tests.subjects import part_of

RIGHT, UP = np.eye(8, dtype=np.float32)[:2].tolist()
PLAIN = LabelVectors(vectors=np.array([RIGHT, UP], np.float32), counts=(1, 1))
TURNED = LabelVectors(vectors=np.array([UP, RIGHT], np.float32), counts=(1, 1))


class Yields(LabelWay):
    """Has the candidates that a function makes of what may be learnt from."""

    def __init__(self, made):
        super().__init__(strengths=[1.0], sharpnesses=[1.0])
        self.made = made

    def candidates(self, seen, begun, progress):
        yield from self.made(seen)


@pytest.fixture
def seen(clip, vocabulary):
    """Return what makes splits of rows and labels; no tower is asked."""
    embedder = Embedder(clip.model, vocabulary, Preprocess(size=32))
    choice = Choice(labels=("right", "up"), of={}, said={}, captions_differ=False)

    def of(train, val, labels_of_train, labels_of_val):
        shown = [
            Shown(image=np.array(rows, np.float32), label=np.array(labels))
            for rows, labels in ((train, labels_of_train), (val, labels_of_val))
        ]
        return Seen(embedder=embedder, choice=choice, train=shown[0], val=shown[1])

    return of


def seen_by(of, vectors):
    """Return the same pictures with the labels that these vectors say."""
    said = [Shown(image=one.image, label=vectors.shares(one.image, 10.0).argmax(1)) for one in (of.train, of.val)]
    return replace(of, train=said[0], val=said[1])


def keys(of):
    """Return what remembers each picture that it learnt from."""
    count = max(Counter(of.train.label.tolist()).values())
    rows = [of.train.image[of.train.label == label] for label in (0, 1)]
    return LabelVectors(
        vectors=np.concatenate([np.resize(own, (count, own.shape[1])) for own in rows]), counts=(count,) * 2, sharpness=50.0
    )  # fmt: skip


@pytest.fixture
def random(seen):
    """Return 40 and 10 pictures whose labels say nothing of them."""
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(50, 8))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    labels = draw.integers(0, 2, 50)
    return seen(rows[:40], rows[40:], labels[:40], labels[40:])


@pytest.mark.parametrize(("labels", "count"), [([0] * 7 + [1] * 6 + [2], 5), ([0, 1, 2], 3), ([0] * 20, 5)])
def test_pictures_of_a_label_are_dealt_out_over_the_folds(labels, count):
    fold = folds.dealt(np.array(labels), count, seed=1)
    assert sorted(Counter(fold.tolist())) == list(range(count))
    assert max(Counter(fold.tolist()).values()) - min(Counter(fold.tolist()).values()) <= 1
    for label in set(labels):
        often = Counter(fold[np.array(labels) == label].tolist())
        assert max(often.values()) - min(often[place] for place in range(count)) <= 1
    np.testing.assert_array_equal(fold, folds.dealt(np.array(labels), count, seed=1))
    if len(labels) > count:
        assert (fold != folds.dealt(np.array(labels), count, seed=2)).any()


def test_each_picture_chooses_once_and_is_learnt_from_in_the_others(random):
    all_of = folds.both(random)
    fold = folds.dealt(all_of.label, folds.FOLDS, seed=0)
    places = []
    for out, part in folds.folds(random, fold):
        np.testing.assert_array_equal(part.val.image, all_of.image[out])
        np.testing.assert_array_equal(part.val.label, all_of.label[out])
        left = np.setdiff1d(np.arange(50), out)
        np.testing.assert_array_equal(part.train.image, all_of.image[left])
        places += out.tolist()
    assert sorted(places) == list(range(50))


@pytest.mark.parametrize("seed", [0, 1])
def test_a_series_is_in_one_fold_and_labels_are_spread_as_evenly_as_that_allows(seed):
    """Ten series of four pictures for each of two labels, and forty that are of none: all folds can have as many of each."""
    label = np.array([0] * 40 + [1] * 40 + [0, 1] * 20)
    series = np.array([place // 4 for place in range(80)] + list(range(20, 60)))
    fold = folds.dealt(label, 5, seed, series)
    assert all(len(set(fold[series == one].tolist())) == 1 for one in set(series.tolist()))
    assert {(place, one): int(((fold == place) & (label == one)).sum()) for place in range(5) for one in (0, 1)} == {
        (place, one): 12 for place in range(5) for one in (0, 1)
    }
    np.testing.assert_array_equal(fold, folds.dealt(label, 5, seed, series))
    assert (fold != folds.dealt(label, 5, seed + 2, series)).any()


def test_of_series_of_several_labels_and_sizes_no_fold_has_twice_its_share(seen):
    draw = np.random.default_rng(0)
    series = np.sort(draw.integers(0, 30, 300))
    label = np.where(draw.random(300) < 0.8, series % 3, draw.integers(0, 3, 300))
    fold = folds.dealt(label, 5, 0, series)
    shares = np.array(
        [[((fold == place) & (label == one)).sum() / (label == one).sum() for one in range(3)] for place in range(5)]
    )
    assert 0.1 < shares.min() <= shares.max() < 0.3


def test_what_remembers_pictures_knows_none_whose_series_is_left_out(random):
    """Five pictures of each series look nearly alike and have one label, which says nothing of them."""
    rows, label = random.train.image[:10], random.train.label[:10]
    of = replace(
        random, train=Shown(image=rows.repeat(4, 0), label=label.repeat(4)), val=Shown(image=rows, label=label)
    )
    way = Yields(lambda seen: [keys(seen)])
    assert folds.fit(way, of, PLAIN).chosen_by > 0.99, "each is asked for beside its like"
    series = np.arange(10)
    split = replace(of, train=replace(of.train, series=series.repeat(4)), val=replace(of.val, series=series))
    assert folds.fit(way, split, PLAIN).chosen_by < 0.75


def test_a_label_of_one_series_is_told_by_its_text_alone_where_that_is_left_out(random):
    """Two series, of a label each, are two folds, in each of which the other label alone is learnt."""
    label = np.array([0, 1] * 25)
    split = [
        Shown(image=random.train.image, label=label[:40], series=label[:40]),
        Shown(image=random.val.image, label=label[40:], series=label[40:]),
    ]
    of, learnt = replace(random, train=split[0], val=split[1]), []
    way = Cache(strengths=[1.0], sharpnesses=[1.0], keys=[1])
    found = folds.fit(way, of, PLAIN)
    assert found.vectors.vectors.shape == PLAIN.vectors.shape
    folds.fit(Yields(lambda seen: learnt.append(set(seen.train.label.tolist())) or [PLAIN]), of, PLAIN)
    assert learnt == [{0, 1}, {1}, {0}], "what is taken has learnt both"


def test_where_all_are_of_one_series_those_that_choose_choose_alone(random):
    one = {
        name: replace(getattr(random, name), series=np.zeros(len(getattr(random, name).label), int))
        for name in ("train", "val")
    }
    found = folds.fit(Yields(lambda seen: [TURNED, PLAIN]), replace(random, **one), PLAIN)
    assert found == Yields(lambda seen: [TURNED, PLAIN]).fit(random, PLAIN)


def test_series_are_known_over_both_splits_and_none_is_said_where_each_picture_is_alone(squares, clip, vocabulary):
    embedder = Embedder(clip.model, vocabulary, Preprocess(size=32))
    train, val = part_of(squares, range(4)), part_of(squares, range(4, 6))
    choice = Choice(labels=("a",), of={"train": ("a",) * 4, "val": ("a",) * 2}, said={}, captions_differ=False)
    named = (replace(train, series=("x", None, "y", "x")), replace(val, series=("y", None)))
    found = Seen.of(embedder, choice, *named, 0)
    assert [*found.train.series, *found.val.series] == [0, 1, 2, 0, 2, 3]
    for pools in ((train, val), (replace(train, series=("x", "y", None, "z")), val)):
        alone = Seen.of(embedder, choice, *pools, 0)
        assert (alone.train.series, alone.val.series) == (None, None)


def test_what_so_few_would_choose_is_not_what_all_choose(seen):
    of = seen([RIGHT, UP] * 10, [UP, UP], [0, 1] * 10, [0, 0])
    way = Yields(lambda seen: [TURNED, PLAIN])
    assert way.fit(of, PLAIN).which == (0, 0), "of both of them it is right"
    found = folds.fit(way, of, PLAIN)
    np.testing.assert_array_equal(found.vectors.vectors, PLAIN.vectors)
    assert (found.score, found.chosen_by) == pytest.approx((0, 20 / 22), abs=1e-5)
    assert found.begun_by == found.chosen_by
    assert (found.tried, found.which) == (2, (1, 0))


def test_a_picture_is_not_asked_of_what_has_learnt_from_it(random):
    found = folds.fit(Yields(lambda seen: [keys(seen)]), random, PLAIN)
    assert random.train.answered(found.vectors, random.embedder.logit_scale).judged()[0] == 1, (
        "of its own pictures it knows all"
    )
    assert found.chosen_by < 0.75
    assert found.vectors.vectors.shape == keys(random).vectors.shape, "it has learnt from the training split alone"
    assert found.score == random.val.answered(found.vectors, random.embedder.logit_scale).score()


@pytest.mark.parametrize("had_no_time", [0, 2, 5])
def test_what_time_left_out_is_not_chosen(random, had_no_time):
    """What is taken is learnt first, and then by each fold."""
    came = iter([1 if place == had_no_time else 2 for place in range(6)])
    found = folds.fit(Yields(lambda seen: [TURNED, PLAIN][: next(came)]), seen_by(random, PLAIN), PLAIN)
    assert found.which == (0, 0)
    came = iter([2] * 6)
    assert folds.fit(Yields(lambda seen: [TURNED, PLAIN][: next(came)]), seen_by(random, PLAIN), PLAIN).which == (1, 0)


def test_labels_count_alike_over_all_folds_and_not_in_each(seen):
    """Three of fifty have the rare label, so that two folds have none."""
    of = seen([RIGHT] * 40, [RIGHT] * 10, [1, 1, 1] + [0] * 37, [0] * 10)
    found = folds.fit(Yields(lambda seen: [PLAIN]), of, PLAIN)
    assert found.chosen_by == pytest.approx(0.5, abs=1e-5), "whoever always says the common one"


def test_what_learns_nothing_is_asked_once_of_all(random):
    asked = []
    way = Yields(lambda seen: asked.append(len(seen.train.label)) or [TURNED, PLAIN])
    way.learns = False
    found = folds.fit(way, random, PLAIN)
    assert asked == [40, 0]
    best = max((TURNED, PLAIN), key=lambda one: folds.both(random).answered(one, random.embedder.logit_scale).judged())
    np.testing.assert_array_equal(found.vectors.vectors, best.vectors)


def test_what_captions_say_beside_labels_is_not_asked_for_where_they_would_say_it_of_themselves(random):
    told = replace(random.choice, said={"right": ("to the right",), "up": ("up there",)}, captions_differ=True)
    seen_said = []
    folds.fit(Yields(lambda seen: seen_said.append(seen.choice.said) or [PLAIN]), replace(random, choice=told), PLAIN)
    assert all(said == {"right": ("right",), "up": ("up",)} for said in seen_said)


def test_where_enough_choose_they_choose_alone(seen):
    many = FEW_TO_CHOOSE_BY
    of = seen([RIGHT, UP] * many, [UP] * many, [0, 1] * many, [0] * many)
    way = Yields(lambda seen: [TURNED, PLAIN])
    found = folds.fit(way, of, PLAIN)
    np.testing.assert_array_equal(found.vectors.vectors, TURNED.vectors)
    assert (found.score, found.chosen_by, found.begun_by) == (1.0, 1.0, 0.0)
    few = seen([RIGHT, UP] * many, [UP] * (many - 1), [0, 1] * many, [0] * (many - 1))
    np.testing.assert_array_equal(folds.fit(way, few, PLAIN).vectors.vectors, PLAIN.vectors)


def test_two_pictures_are_two_folds(seen):
    assert folds.fit(Yields(lambda seen: [PLAIN]), seen([RIGHT], [UP], [0], [1]), PLAIN).chosen_by == pytest.approx(
        1, abs=1e-5
    )


def test_a_prompt_has_its_time_in_all():
    way = SoftPrompt(most_s=12.0, steps=7)
    assert (way.in_time(6).most_s, way.in_time(6).steps, way.most_s) == (2.0, 7, 12.0)
    plain = Yields(list)
    assert plain.in_time(6) is plain


def test_the_best_by_what_chose_it_stands_for_those_that_tune_nothing():
    def one(name, score, chosen_by, begun_by=0.5):
        fitted = Fitted(
            vectors=PLAIN, strength=1.0, score=score, tried=1, which=(0, 0), chosen_by=chosen_by, begun_by=begun_by
        )
        return Heat(name=name, steps=0, score=score, seconds=1.0), fitted

    found = best_of(
        [one("prompts", 0.6, 0.6), one("cache", 1.0, 0.7, 0.6), one("probe", 0.9, 0.8, 0.6), one("soft", 0.9, 0.8, 0.6)]
    )
    assert found is not None
    assert found[0].name == "probe"
    assert best_of([one("prompts", 0.9, 0.5 + TIE / 2)]) is None, "no better than the start, whatever few pictures say"
    assert best_of([]) is None
