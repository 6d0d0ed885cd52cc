"""Any set with labels can be fitted on: parts of one split or another split beside it, and what is missing is said."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from components.contracts.errors import ConfigError
from components.evaluation.downstream.of_set import FITTED, OfSet
from components.evaluation.few_shot import FewShot
from components.evaluation.knn import Neighbours
from components.evaluation.probe import Probe
from components.evaluation.wording import further_rows
from tests.subjects import Told, part_of, subject_of

EVALUATORS = {
    "probe": lambda: Probe(OfSet("category"), spaces=["pooled"]),
    "knn": lambda: Neighbours(OfSet("category"), spaces=["pooled"], ks=[1]),
    "few_shot": lambda: FewShot(OfSet("category"), shots=[1], draws=2),
}


def told_of(pool, spread: float = 0.0) -> Told:
    """A model that knows the colours."""
    colours, draw = sorted({group["category"] for group in pool.groups}), np.random.default_rng(0)
    known = [np.eye(5)[colours.index(group["category"])] + draw.normal(0, spread, 5) for group in pool.groups]
    return Told(dict(zip(pool.pictures, known, strict=True)), {})


class Counting(Told):
    """One that counts the pictures that it was shown."""

    asked = 0

    def encoded(self, pictures, spaces, *rest):
        self.asked += len(pictures)
        return super().encoded(pictures, spaces, *rest)


@pytest.fixture
def subject(squares):
    told = told_of(squares)
    return subject_of(squares, told, told, {"train": [0], "ours": range(50)})


@pytest.mark.parametrize("kind", EVALUATORS)
def test_a_set_of_one_split_is_fitted_and_tested_on_parts_of_it(kind, subject, squares):
    found = EVALUATORS[kind]().measure(subject)
    (metric,) = found.metrics
    shots = ".shots_1" if kind == "few_shot" else ""
    assert metric.name == f"{kind}.ours.category{shots}.top1"
    assert metric.value == 1
    assert metric.n == 10, "a fifth of ten pictures of each of five colours"
    assert "a fifth of each category tested, by names, as ours has one split alone" in metric.method
    rows = found.rows[f"{kind}.ours.category"]
    assert set(rows["query"].to_pylist()) < set(squares.keys)
    assert metric.data == EVALUATORS[kind]().measure(subject).metrics[0].data
    (row,) = further_rows({metric.name: metric.as_json()})
    assert row["asked"].startswith("ours by category, ")


@pytest.mark.parametrize("kind", EVALUATORS)
def test_a_split_to_fit_on_leaves_the_whole_pool_to_be_tested(kind, subject, squares):
    tested, fitted = part_of(squares, range(0, 50, 2)), part_of(squares, range(1, 50, 2))
    fitted = replace(fitted, keys=tested.keys, concepts=tested.keys)  # as sets do that count their pictures from 0
    found = EVALUATORS[kind]().measure(subject.on({"theirs": tested}, {"theirs": fitted}))
    (metric,) = found.metrics
    assert (metric.value, metric.n) == (1, 25)
    assert "fitted on the set's own split of 25 pictures" in metric.method
    assert set(found.rows[f"{kind}.theirs.category"]["query"].to_pylist()) == set(tested.keys)
    data = OfSet("category").of(subject.on({"theirs": tested}, {"theirs": fitted}))["theirs.category"]
    assert [key.startswith(FITTED) for key in data.keys] == [part != "test" for part in data.parts]
    assert list(data.pictures[:]) == [*fitted.pictures, *tested.pictures]


def test_pictures_of_one_thing_are_of_one_part_where_there_are_things_enough(subject, squares):
    met: Counter[str] = Counter()
    things = []
    for colour in (group["category"] for group in squares.groups):
        things.append(f"{colour} {met[colour] // 2}")  # five of two pictures each
        met[colour] += 1
    data = OfSet("category").of(subject.on({"ours": replace(squares, concepts=tuple(things))}))["ours.category"]
    parts = {about: part for about, part in zip(data.groups, data.parts, strict=True)}
    assert list(data.parts) == [parts[about] for about in data.groups]
    assert Counter(parts.values()) == {"train": 15, "val": 5, "test": 5}
    assert data.told.endswith("all pictures of one thing in one part")
    (metric,) = Probe(OfSet("category"), spaces=["pooled"]).measure(
        subject.on({"ours": replace(squares, concepts=tuple(things))})
    ).metrics  # fmt: skip
    assert metric.n == 10
    alike = replace(squares, concepts=tuple(group["category"] for group in squares.groups))
    data = OfSet("category").of(subject.on({"ours": alike}))["ours.category"]
    assert set(data.parts) == {"train", "val", "test"}, "a class is one thing here, and is parted by its pictures"
    assert data.told.endswith("pictures of one thing in several parts, as 'black' shows 1")


def test_a_class_of_too_few_things_is_named_where_the_parts_are_by_picture_for_it(subject, squares):
    things = [f"{group['category']} {place % 5}" for place, group in enumerate(squares.groups)]
    things = [f"red {place % 2}" if its.startswith("red") else its for place, its in enumerate(things)]
    data = OfSet("category").of(subject.on({"ours": replace(squares, concepts=tuple(things))}))["ours.category"]
    assert data.told.endswith("pictures of one thing in several parts, as 'red' shows 2")


def test_a_class_that_is_not_tested_is_not_fitted_on_and_stops_nothing(subject, squares):
    tested, beside = part_of(squares, range(0, 50, 2)), part_of(squares, range(1, 50, 2))
    odd = next(place for place, one in enumerate(beside.groups) if one["category"] == "red")
    groups = tuple({"category": "odd"} if place == odd else one for place, one in enumerate(beside.groups))
    data = OfSet("category").of(subject.on({"ours": tested}, {"ours": replace(beside, groups=groups)}))["ours.category"]
    assert "odd" not in data.labels
    assert Counter(data.parts)["test"] == 25
    assert len(data.keys) == 49
    assert "fitted on the set's own split of 24 pictures" in data.told


def test_pictures_are_read_once_for_the_digest(subject):
    data = OfSet("category").of(subject)["ours.category"]
    before = data.digest
    data.pictures.places = ()  # nothing is left to be read
    assert data.digest == before


def test_pictures_are_encoded_once_for_all_that_fit(squares):
    told = Counting(told_of(squares).of_pictures, {})
    subject = subject_of(squares, told, told, {"train": [0], "ours": range(50)})
    for make in EVALUATORS.values():
        make().measure(subject)
    assert told.asked == 50
    Probe(OfSet("category")).measure(subject)
    assert told.asked == 100, "features are another space"


@pytest.mark.parametrize("kind", EVALUATORS)
@pytest.mark.parametrize(
    ("spoil", "beside", "why"),
    [
        (lambda pool: replace(pool, groups=()), None, "no picture of ours has a category, so there is nothing to fit"),
        (lambda pool: replace(pool, groups=({"category": "red"},) * 50), None, "every labelled picture of ours has the category 'red'"),
        (lambda pool: replace(pool, groups=({"category": "odd"}, *pool.groups[1:])), None, "ours has one split alone, to fit and to test on, and 1 of its classes have too few pictures for 3 parts: 'odd' (1)"),
        (lambda pool: pool, lambda pool: replace(pool, groups=({"category": "red"},) * 50), "4 of 5 classes of ours have no picture to fit on"),
        (lambda pool: replace(pool, groups=({"category": "odd"}, *pool.groups[1:])), lambda pool: replace(pool, groups=({"category": "odd"}, *pool.groups[1:])), "of the split to fit on, 1 of its classes have too few pictures for 2 parts: 'odd' (1)"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(kind, spoil, beside, why, subject, squares):
    found = EVALUATORS[kind]().measure(
        subject.on({"ours": spoil(squares)}, {"ours": beside(squares)} if beside else {})
    )
    assert not found.metrics
    assert list(found.without) == [f"{kind}.ours.category"]
    assert why in found.without[f"{kind}.ours.category"]


def test_a_label_without_a_name_is_refused():
    with pytest.raises(ConfigError, match="label is empty"):
        OfSet("")
