"""A head on concept scores: told by what it should be told, by scikit-learn's numbers, from no more than was drawn."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from components.contracts.errors import ConfigError
from components.evaluation.bottleneck import Bottleneck, drawn, explained, weights_of
from components.evaluation.probe import logistic
from tests.placed import pool_of, region
from tests.subjects import Told, subject_of

NAMES = ("ring", "star", "blob", "stripe")
CLASSES = {"urgent": ["star"], "watch": ["blob", "ring"], "calm": []}
COUNT = 120


@pytest.fixture(scope="module")
def findings() -> np.ndarray:
    """What each picture has of the four."""
    return np.random.default_rng(0).random((COUNT, len(NAMES))) < 0.4


@pytest.fixture(scope="module")
def pool(findings, squares):
    """The pictures are squares again and again: their bytes say nothing of what is in them, and their order nothing of their keys."""
    shown = pool_of(*([region(NAMES[one], (0, 0, 4, 4)) for one in np.flatnonzero(row)] for row in findings))
    keys = tuple(f"scan-{number * 37 % COUNT:03d}" for number in range(COUNT))
    return replace(
        shown, keys=keys, pictures=tuple(squares.pictures[number % 50] + b" " * number for number in range(COUNT))
    )


def seeing(pool, findings, noise: float = 0.0) -> Told:
    """Return a model whose cosines with the concepts are what is there, and noise."""
    draw = np.random.default_rng(1)
    seen = {
        data: [*(row + noise * draw.normal(size=len(NAMES))), 1.0]
        for data, row in zip(pool.pictures, findings.astype(float), strict=True)
    }
    return Told(seen, {name: [*np.eye(len(NAMES))[place], 0.0] for place, name in enumerate(NAMES)})


def measured(pool, model, **settings):
    settings = {"classes": CLASSES, "labelled": 60, **settings}
    return Bottleneck(**settings).measure(subject_of(pool, model, model, {"train": range(COUNT), "val": range(COUNT)}))


def truth(row) -> str:
    has = dict(zip(NAMES, row, strict=True))
    return "urgent" if has["star"] else "watch" if has["blob"] or has["ring"] else "calm"


def test_the_first_class_that_a_thing_makes_is_the_pictures(pool, findings):
    assert Bottleneck(classes=CLASSES).classes_of(pool) == tuple(map(truth, findings))


def test_without_an_empty_list_a_picture_that_fits_no_class_has_none():
    one = pool_of([region("star", (0, 0, 4, 4))], [region("stripe", (0, 0, 4, 4))], [])
    assert Bottleneck(classes={"urgent": ["star"], "watch": ["blob"]}).classes_of(one) == ("urgent", None, None)


def test_concepts_that_are_seen_tell_the_classes_and_say_why(pool, findings):
    found = measured(pool, seeing(pool, findings))
    (metric,) = found.metrics
    assert (metric.name, metric.n) == ("bottleneck.val.classes.top1", COUNT - 60)
    assert metric.value > 0.9
    assert metric.chance < 0.6
    assert metric.baseline < 0.7, "grey pixels of these pictures know nothing"
    told_by = found.files["bottleneck.classes.json"]["val"]
    assert told_by["urgent"]["strongest"][0] == "star"
    assert set(told_by["watch"]["strongest"][:2]) == {"blob", "ring"}
    assert not {"star", "blob", "ring"} & set(told_by["calm"]["strongest"])
    assert list(told_by["calm"]["weights"]) == sorted(NAMES)


def test_scores_that_know_nothing_leave_about_the_commonest_class(pool, findings):
    blind = Told(dict.fromkeys(pool.pictures, (1.0, 1.0)), dict.fromkeys(NAMES, (1.0, 0.0)))
    (metric,) = measured(pool, blind).metrics
    assert metric.value == pytest.approx(metric.chance, abs=0.02)


def test_answers_are_those_of_scikit_learn_on_the_drawn(pool, findings):
    model = seeing(pool, findings, noise=0.5)
    found = measured(pool, model, draws=2)
    keys = np.array(pool.keys)
    labels = np.array(list(map(truth, findings)))
    scores = model.pictures(pool.pictures) @ model.texts(sorted(NAMES)).T
    shares = []
    for number in range(2):
        rows = [row for row in found.rows["bottleneck.val"].to_pylist() if row["draw"] == number]
        tested = np.isin(keys, [row["query"] for row in rows])
        assert tested.sum() == COUNT - 60
        order = np.argsort(keys)
        fitted = order[~tested[order]]
        scaler = StandardScaler().fit(scores[fitted])
        peer = LogisticRegression(max_iter=2_000).fit(scaler.transform(scores[fitted]), labels[fitted])
        answers = dict(zip(keys, peer.predict(scaler.transform(scores)), strict=True))
        assert {row["query"]: row["answer"] for row in rows} == {row["query"]: answers[row["query"]] for row in rows}
        assert all(row["right"] == (row["answer"] == row["label"]) for row in rows)
        shares.append(np.mean([row["right"] for row in rows]))
    assert found.metrics[0].value == pytest.approx(np.mean(shares))
    assert 0.5 < found.metrics[0].value < 1


def test_labels_of_what_was_not_drawn_are_never_read(pool, findings):
    """Turning a label that was not drawn around changes its own row, and no answer."""
    model = seeing(pool, findings, noise=0.5)
    groups = tuple({"kind": truth(row)} for row in findings)
    labelled = replace(pool, groups=groups)
    settings = {"classes": None, "label": "kind", "draws": 1, "concepts": NAMES}
    before = measured(labelled, model, **settings).rows["bottleneck.val"].to_pylist()
    labels = np.array([groups[place]["kind"] for place in np.argsort(pool.keys)])
    fitted = drawn(labels, 60, np.random.default_rng((0, 0)))
    assert [row["query"] for row in before] == sorted(np.array(sorted(pool.keys))[~fitted].tolist())
    rows = model.pictures(pool.pictures)[np.argsort(pool.keys)] @ model.texts(NAMES).T
    hidden = np.where(fitted, labels, "hidden")
    answers = logistic(rows.astype(np.float64), hidden, fitted, 1.0).predict(rows[~fitted])
    assert [row["answer"] for row in before] == answers.tolist()


def test_every_class_is_drawn_and_all_others_are_as_likely():
    labels = np.array(["rare"] + ["often"] * 19)
    counts = np.zeros(20)
    for number in range(400):
        fitted = drawn(labels, 5, np.random.default_rng(number))
        assert fitted.sum() == 5
        assert fitted[0]
        counts += fitted
    assert counts[1:].mean() / 400 == pytest.approx(4 / 19)
    assert np.ptp(counts[1:] / 400) < 6 * 2 * (4 / 19 * 15 / 19 / 400) ** 0.5


def test_draws_differ_and_go_by_the_seed(pool, findings):
    model = seeing(pool, findings, noise=0.5)
    rows = measured(pool, model, draws=3).rows["bottleneck.val"].to_pylist()
    tested = [{row["query"] for row in rows if row["draw"] == number} for number in range(3)]
    assert tested[0] != tested[1] != tested[2]
    other = subject_of(pool, model, model, {"train": range(COUNT), "val": range(COUNT)})
    other.seed = 1
    others = Bottleneck(classes=CLASSES, labelled=60, draws=1).measure(other).rows["bottleneck.val"]
    assert set(others["query"].to_pylist()) != tested[0]


def test_of_two_classes_what_speaks_for_one_speaks_against_the_other():
    rows = np.array([[0.0, 1.0], [0.1, 0.0], [1.0, 0.2], [0.9, 0.9]])
    weights = weights_of(logistic(rows, np.array(["a", "a", "b", "b"]), np.ones(4, np.bool_), 1.0))
    assert weights.shape == (2, 2)
    np.testing.assert_array_equal(weights[0], -weights[1])
    assert weights[1, 0] > abs(weights[1, 1]), "b is where the first is high"


def test_the_strongest_are_in_order_and_speak_for_the_class():
    found = explained(["calm"], ["a", "b", "c", "d", "e"], np.array([[0.5, -2.0, 1.5, 0.1, 0.2]]))
    assert found["calm"]["strongest"] == ["c", "a", "e"]
    assert explained(["calm"], ["a", "b"], np.array([[-1.0, 2.0]]))["calm"]["strongest"] == ["b"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "classes come from one of them"),
        ({"label": "category", "classes": CLASSES}, "classes come from one of them"),
        ({"classes": {"all": []}}, "nothing to tell apart"),
        ({"classes": {"calm": [], "urgent": ["star"]}}, "Put it last"),
        ({"classes": {"urgent": ["star"], "again": ["star"]}}, "asked first"),
        ({"classes": CLASSES, "labelled": 2}, "there are 3 classes"),
        ({"label": "category", "labelled": 1}, "need a picture each"),
        ({"label": "category", "draws": 0}, "Draw at least once"),
        ({"label": "category", "penalty": 0.0}, "penalty above 0"),
        ({"label": "category", "template": "it"}, "once where its name goes"),
    ],
)
def test_settings_that_cannot_be_measured_are_refused(wrong, said):
    with pytest.raises(ConfigError, match=said):
        Bottleneck(**wrong)


def test_fewer_labelled_pictures_than_groups_are_refused(pool, findings):
    groups = tuple({"kind": truth(row)} for row in findings)
    with pytest.raises(ConfigError, match=r"labelled is 2, but there are 3 classes"):
        measured(
            replace(pool, groups=groups), seeing(pool, findings), classes=None, label="kind", concepts=NAMES, labelled=2
        )


def test_a_class_of_a_thing_that_there_is_not_is_refused(pool, findings):
    with pytest.raises(ConfigError, match=r"name strap, but .* called blob, ring, star, stripe"):
        measured(pool, seeing(pool, findings), classes={"urgent": ["star", "strap"], "calm": []})


def test_what_cannot_be_measured_is_said(pool, findings):
    model = seeing(pool, findings)
    without = measured(replace(pool, regions=()), model).without
    assert "no region has a name" in without["bottleneck.classes"]
    without = measured(pool, model, classes=None, label="diagnosis", concepts=NAMES).without
    assert without == {"bottleneck.val.diagnosis": "no picture of val has a diagnosis"}
    alike = replace(pool, groups=({"diagnosis": "flu"},) * COUNT)
    without = measured(alike, model, classes=None, label="diagnosis", concepts=NAMES).without
    assert without == {"bottleneck.val.diagnosis": "every picture of val that has a class is of 'flu'"}
    without = measured(pool, model, labelled=COUNT).without
    assert f"val has {COUNT} pictures with a class, all of which" in without["bottleneck.val.classes"]
