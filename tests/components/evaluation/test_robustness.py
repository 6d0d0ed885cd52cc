"""Robustness of a model that counts colours: each number is what its own answers to each spoilt query make."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from components.contracts.errors import ConfigError
from components.contracts.evaluator import Space
from components.contracts.progress import Progress, silent
from components.data.transforms.preprocess import Preprocess
from components.evaluation import robustness
from components.evaluation.corruptions import corrupted
from components.evaluation.robustness import Robustness
from components.evaluation.typos import mistyped
from components.evaluation.zero_shot import ZeroShot
from tests.squares import COLOURS
from tests.subjects import Told, subject_of, twelve, unit

SPLITS = {"train": range(0, 50, 2), "pair": range(1, 50, 2)}
KNOWN = np.array([*COLOURS.values(), (255, 255, 255)], np.float64)
FEW = {"corruptions": ["contrast", "pixelate"], "typos": ["swap"]}


class Counting:
    """An encoder whose row says how many pixels are of each colour, and that knows the names of the colours alone."""

    logit_scale = 5.0

    def shown(self, pictures: Sequence[bytes]) -> np.ndarray:
        return np.stack([Preprocess(size=16)(data) for data in pictures])

    def of_shown(self, pixels: np.ndarray) -> np.ndarray:
        far = ((pixels.transpose(0, 2, 3, 1)[:, :, :, None] - KNOWN) ** 2).sum(-1)
        counts = (far.argmin(-1)[..., None] == np.arange(len(COLOURS))).sum((1, 2))
        return unit(np.concatenate([counts, np.full((len(counts), 1), 0.1)], 1))

    def pictures(self, pictures: Sequence[bytes], progress: Progress = silent, doing: str = "") -> np.ndarray:
        return self.of_shown(self.shown(pictures))

    def encoded(
        self, pictures: Sequence[bytes], spaces: Sequence[Space], progress: Progress = silent, doing: str = ""
    ) -> dict[Space, np.ndarray]:
        return {space: self.pictures(pictures) for space in spaces}

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        return unit([[*(float(text == colour) for colour in COLOURS), float(text not in COLOURS)] for text in texts])


@pytest.fixture
def coloured(squares):
    """The squares, each called by its colour alone."""
    colours = tuple(group["category"] for group in squares.groups)
    return replace(squares, captions=tuple((one,) for one in colours), concepts=colours)


@pytest.fixture
def subject(coloured):
    return subject_of(coloured, Counting(), Counting(), SPLITS)


def by_name(found):
    return {metric.name: metric for metric in found.metrics}


def test_each_number_is_the_mean_over_strengths_of_what_was_right(subject):
    found, pool, model = by_name(Robustness(**FEW).measure(subject)), subject.pools["pair"], Counting()
    whole = []
    for name in FEW["corruptions"]:
        right = [
            list(COLOURS)[model.of_shown(spoilt[None])[0].argmax() % 5] == colour
            and model.of_shown(spoilt[None])[0].argmax() < 5
            for strength in (1, 2, 3)
            for pixels, key, colour in zip(model.shown(pool.pictures), pool.keys, pool.concepts, strict=True)
            for spoilt in [corrupted(pixels.transpose(1, 2, 0), name, strength, 0, key).transpose(2, 0, 1)]
        ]
        metric = found[f"robustness.pair.image_to_text.{name}"]
        assert metric.value == pytest.approx(np.mean(right))
        assert (metric.n, metric.chance, metric.baseline) == (25, pytest.approx(1 / 5), 1)
        assert metric.low <= metric.value <= metric.high
        whole.append(metric.value)
    assert whole[0] < 0.7 < whole[1], "contrast is what colours are known by"
    mean = found["robustness.pair.image_to_text.mean"]
    assert mean.value == pytest.approx(np.mean(whole))
    assert mean.method == "the picture spoilt: mean of 2 changes, 3 strengths; base: not spoilt"
    assert metric.method == "the picture spoilt: pixelate, 3 strengths; base: not spoilt"


def test_rows_hold_every_query_of_each_change_and_strength(subject):
    found = Robustness(**FEW).measure(subject)
    rows = found.rows["robustness.pair"].to_pylist()
    assert len(rows) == 2 * 3 * 25 + 3 * 5
    for name, metric in by_name(found).items():
        _, _, asked, change = name.split(".")
        its = [row["right"] for row in rows if row["set"] == asked and change in (row["change"], "mean")]
        assert np.mean(its) == pytest.approx(metric.value), name
    assert all(row["clean_rank"] == 1 for row in rows)
    assert all(row["right"] == (row["rank"] == 1) for row in rows)
    assert {row["strength"] for row in rows} == {1, 2, 3}
    assert len({row["group"] for row in rows}) == 5, "both ways, a colour's are of its first picture"


def test_a_text_is_asked_as_it_was_mistyped(subject):
    """The model knows names that are spelt right, and takes all others for one thing."""
    found = Robustness(corruptions=[], typos=["swap", "double"]).measure(subject)
    assert set(by_name(found)) == {f"robustness.pair.text_to_image.{one}" for one in ("swap", "double", "mean")}
    metric = by_name(found)["robustness.pair.text_to_image.swap"]
    assert (metric.value, metric.baseline, metric.n) == (0, 1, 5)
    assert metric.chance == pytest.approx(1 / 5), "a fifth of the pictures is right"
    for row in found.rows["robustness.pair"].to_pylist():
        assert row["typed"] == mistyped(row["query"], row["change"], row["strength"], 0) != row["query"]


def test_zero_shot_is_asked_too_where_it_is_listed(subject):
    """The colours' names are both the captions and the prompts, so it is asked the same."""
    found = by_name(Robustness(["contrast"], [], asks=ZeroShot(prompts="label")).measure(subject))
    ours, theirs = (found[f"robustness.pair.{one}.contrast"] for one in ("category", "image_to_text"))
    assert (ours.value, ours.baseline, ours.n) == (theirs.value, theirs.baseline, theirs.n)
    assert ours.chance == pytest.approx(1 / 5)
    assert ours.method == "1 of 5 by the group's own name, the picture spoilt: contrast, 3 strengths; base: not spoilt"


@pytest.mark.parametrize(("among", "choices"), [("all", 5), ("pools", 2)])
def test_there_is_to_choose_from_what_zero_shot_is_told(coloured, among, choices):
    """Training pictures are of all five colours, and those that are measured of two."""
    subject = subject_of(coloured, Counting(), Counting(), {"train": range(50), "pair": range(20)})
    found = by_name(Robustness(["contrast"], [], asks=ZeroShot(prompts="label", among=among)).measure(subject))
    assert found["robustness.pair.category.contrast"].chance == pytest.approx(1 / choices)


def test_pictures_without_a_group_are_not_asked_for_one_in_whatever_part_they_come(coloured, monkeypatch):
    groups = tuple({} if place % 3 == 0 else group for place, group in enumerate(coloured.groups))
    subject = subject_of(replace(coloured, groups=groups), Counting(), Counting(), SPLITS)
    asked = Robustness(**FEW, asks=ZeroShot(prompts="label"))
    whole = asked.measure(subject)
    rows = [row for row in whole.rows["robustness.pair"].to_pylist() if row["set"] == "category"]
    assert {row["query"] for row in rows} == {f"square-{place:02d}" for place in SPLITS["pair"] if place % 3}
    monkeypatch.setattr(robustness, "AT_ONCE", 4)
    parts = asked.measure(subject)
    assert parts.metrics == whole.metrics
    assert parts.rows["robustness.pair"].equals(whole.rows["robustness.pair"])


def test_what_cannot_be_asked_is_said_and_the_rest_is_measured(coloured, subject):
    told = Told(
        {
            data: [*np.eye(6)[list(COLOURS).index(one)]]
            for data, one in zip(coloured.pictures, coloured.concepts, strict=True)
        },
        {text: [*np.eye(6)[list(COLOURS).index(text) if text in COLOURS else 5]] for text in typed_too()},
    )
    found = Robustness(**FEW, splits=["pair", "designer"], asks=ZeroShot(label="shape")).measure(
        subject_of(coloured, told, told, SPLITS)
    )
    assert found.without == {
        "robustness.pair.shape": "no picture has a shape, so there is nothing to choose from",
        "robustness.pair.pictures": "the model does not hand out what it is shown of a picture",
        "robustness.designer": "this data has no pictures in designer",
    }
    assert set(by_name(found)) == {"robustness.pair.text_to_image.swap", "robustness.pair.text_to_image.mean"}
    subject.pools["pair"] = replace(subject.pools["pair"], groups=())
    found = Robustness(["pixelate"], [], asks=ZeroShot(prompts="label")).measure(subject)
    assert found.without == {"robustness.pair.category": "no picture of pair has a category"}
    assert len(found.metrics) == 2


def test_what_is_the_same_to_the_model_is_a_tie_wherever_it_stands(squares):
    """A product's edge is summed in another order, on some processors, and nobody wins by that."""

    class Twins(Counting):
        def of_shown(self, pixels: np.ndarray) -> np.ndarray:
            return twelve(len(pixels))

        def texts(self, texts: Sequence[str]) -> np.ndarray:
            return twelve(len(texts))

    pool = subject_of(squares, Twins(), Twins(), {"train": [], "pair": range(50)})
    found = by_name(Robustness(["contrast"], ["swap"]).measure(pool))
    for asked, count in (("image_to_text", 50), ("text_to_image", 25)):
        metric = found[f"robustness.pair.{asked}.mean"]
        assert (metric.value, metric.baseline, metric.n) == (0, 0, count)


def test_what_is_named_twice_is_asked_once(subject):
    twice = Robustness(["contrast", "contrast"], ["swap", "swap"], splits=["pair", "pair"]).measure(subject)
    assert twice.metrics == Robustness(["contrast"], ["swap"]).measure(subject).metrics


def typed_too() -> list[str]:
    return [*COLOURS, *(mistyped(one, "swap", strength, 0) for one in COLOURS for strength in (1, 2, 3))]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"corruptions": ["motion"]}, "corruptions has 'motion', .*Did you mean motion_blur?"),
        ({"typos": ["swop"]}, "typos has 'swop', .*Did you mean swap?"),
        ({"splits": []}, "there is nothing to ask"),
        ({"corruptions": [], "typos": []}, "there is nothing to ask"),
    ],
)
def test_names_that_are_not_known_and_nothing_to_do_are_refused(wrong, said):
    with pytest.raises(ConfigError, match=said):
        Robustness(**wrong)
