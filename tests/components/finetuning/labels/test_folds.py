"""Few pictures choose together with those that are learnt from, each where it was left out."""

from collections import Counter

import numpy as np
import pytest

from components.data.transforms.preprocess import Preprocess
from components.evaluation.embedding import Embedder
from components.evaluation.hard_data import FEW_TO_CHOOSE_BY
from components.finetuning.labels import folds
from components.finetuning.labels.choice import Choice
from components.finetuning.labels.soft_prompt import SoftPrompt
from components.finetuning.labels.way import Fitted, LabelVectors, LabelWay, Seen, Shown
from components.finetuning.race import Heat
from components.stages.raced import best_of

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
    both = [*map(bytes, random.train.image), *map(bytes, random.val.image)]
    parts = list(folds.folds(random))
    assert len(parts) == folds.FOLDS
    assert sorted(row for part in parts for row in map(bytes, part.val.image)) == sorted(both)
    for part in parts:
        assert sorted(map(bytes, [*part.train.image, *part.val.image])) == sorted(both)


def test_what_so_few_would_choose_is_not_what_all_choose(seen):
    of = seen([RIGHT, UP] * 10, [UP, UP], [0, 1] * 10, [0, 0])
    way = Yields(lambda seen: [TURNED, PLAIN])
    assert way.fit(of, PLAIN).score == pytest.approx(1, abs=1e-5), "both of them are turned"
    found = folds.fit(way, of, PLAIN)
    np.testing.assert_array_equal(found.vectors.vectors, PLAIN.vectors)
    assert (found.score, found.chosen_by) == pytest.approx((0, 20 / 22), abs=1e-5)
    assert found.begun_by == found.chosen_by
    assert found.tried == 2


def test_a_picture_is_not_asked_of_what_has_learnt_from_it(random):
    found = folds.fit(Yields(lambda seen: [keys(seen)]), random, PLAIN)
    assert random.train.judged(found.vectors, random.embedder.logit_scale) > 0.99, "of its own pictures it knows all"
    assert found.chosen_by < 0.75
    assert found.vectors.vectors.shape == keys(random).vectors.shape, "it has learnt from the training split alone"
    assert found.score == random.val.judged(found.vectors, random.embedder.logit_scale)


def test_what_time_left_out_of_a_fold_is_not_chosen(random):
    came = iter([2, 1, 2, 2, 2, 2])
    found = folds.fit(Yields(lambda seen: [TURNED, keys(seen)][: next(came)]), random, PLAIN)
    np.testing.assert_array_equal(found.vectors.vectors, TURNED.vectors)
    came = iter([2, 2, 2, 2, 2, 1])
    found = folds.fit(Yields(lambda seen: [TURNED, PLAIN][: next(came)]), random, PLAIN)
    np.testing.assert_array_equal(found.vectors.vectors, TURNED.vectors)  # nor what the last one has not


def test_where_enough_choose_they_choose_alone(seen):
    many = FEW_TO_CHOOSE_BY
    of = seen([RIGHT, UP] * many, [UP] * many, [0, 1] * many, [0] * many)
    way = Yields(lambda seen: [TURNED, PLAIN])
    found, alone = folds.fit(way, of, PLAIN), way.fit(of, PLAIN)
    assert found == alone
    np.testing.assert_array_equal(found.vectors.vectors, TURNED.vectors)
    assert found.chosen_by == found.score > found.begun_by
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
        fitted = Fitted(vectors=PLAIN, strength=1.0, score=score, tried=1, chosen_by=chosen_by, begun_by=begun_by)
        return Heat(name=name, steps=0, score=score, seconds=1.0), fitted

    found = best_of(
        [one("prompts", 0.6, 0.6), one("cache", 1.0, 0.7, 0.6), one("probe", 0.9, 0.8, 0.6), one("soft", 0.9, 0.8, 0.6)]
    )
    assert found is not None
    assert found[0].name == "probe"
    assert best_of([one("prompts", 0.9, 0.5)]) is None, "no better than the start, whatever few pictures say"
    assert best_of([]) is None
