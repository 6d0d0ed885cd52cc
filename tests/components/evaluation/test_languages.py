"""Mean recall by language of a model that reads one language and guesses another, so that every share can be counted."""

from dataclasses import replace

import numpy as np
import pytest

from components.contracts.errors import ConfigError
from components.evaluation.languages import Languages
from tests.squares import COLOURS, PLACES
from tests.subjects import Told, subject_of

AXES = [*COLOURS, *PLACES]
SPLITS = {"train": range(50), "pair": range(50)}


def direction(words) -> list[float]:
    return [float(name in words) for name in AXES]


@pytest.fixture
def bilingual(squares):
    """Return squares named in English and, by the same words with a mark, in German."""
    told = tuple((name, f"{name} auf Deutsch") for (name,) in squares.captions)
    return replace(squares, captions=told, languages=(("en", "de"),) * len(told))


@pytest.fixture
def model(bilingual) -> Told:
    """It knows all of English, and of German colours alone."""
    pictures = {
        data: direction(names[0].split()) for data, names in zip(bilingual.pictures, bilingual.captions, strict=True)
    }
    texts = {}
    for english, german in bilingual.captions:
        texts[english] = direction(english.split())
        texts[german] = direction(set(german.split()) & set(COLOURS))
    return Told(pictures, texts)


def measured(pool, model, **settings):
    found = Languages(**{"ks": [1, 5], "floor": 25} | settings).measure(subject_of(pool, model, model, SPLITS))
    return {metric.name.removeprefix("languages.pair."): metric for metric in found.metrics}, found


def test_each_language_is_a_retrieval_of_its_own_and_all_weigh_the_same(bilingual, model):
    """Of a colour there are five texts alike and ten pictures, and a tie counts as lost: 1 is never reached, and 5 by every picture."""
    metrics, found = measured(bilingual, model)
    assert {name: metric.value for name, metric in metrics.items()} == {
        "en.mean_recall": 1, "de.mean_recall": pytest.approx(np.mean([0, 1, 0, 0])), "mean_recall": pytest.approx(0.625),
    }  # fmt: skip
    english, every = metrics["en.mean_recall"], metrics["mean_recall"]
    assert (english.n, every.n) == (75, 150)
    # 1 of 25 texts and 2 of 50 pictures; 5 of 25, and at least one of the two among 5 of 50
    at_five = 1 - (45 / 50) * (44 / 49)
    assert english.chance == pytest.approx(np.mean([1 / 25, 5 / 25, 2 / 50, at_five]))
    assert english.baseline == 1, "the nearest training picture is itself"
    assert every.low <= every.value <= every.high
    assert found.without == {}


def test_a_row_a_query_says_in_which_language_it_was_asked(bilingual, model):
    metrics, found = measured(bilingual, model)
    rows = found.rows["languages.pair"].to_pylist()
    assert len(rows) == 150
    german = [one for one in rows if (one["language"], one["direction"]) == ("de", "image_to_text")]
    assert {one["rank"] for one in german} == {5}
    assert {one["query"] for one in german} == set(bilingual.keys)
    assert len(metrics["mean_recall"].tallies) == 8


def test_languages_with_few_texts_and_data_of_none_are_named(bilingual, model):
    few = tuple(("en", "de" if place < 6 else "en") for place in range(50))
    metrics, found = measured(replace(bilingual, languages=few), model)
    assert set(metrics) == {"en.mean_recall", "mean_recall"}
    assert found.without == {"languages.pair": "fewer than 25 texts: de 3"}
    metrics, found = measured(replace(bilingual, languages=()), model)
    assert (metrics, found.rows) == ({}, {})
    assert found.without == {"languages.pair": "no language is known in pair"}


@pytest.mark.filterwarnings("error")
def test_of_many_languages_with_a_picture_each_the_mean_has_no_interval(bilingual, model):
    """No draw holds all of them."""
    each = replace(bilingual, languages=tuple((f"l{place}", f"l{place}") for place in range(50)))
    metrics, _ = measured(each, model, floor=1)
    assert (metrics["mean_recall"].low, metrics["mean_recall"].high) == (None, None)


def test_splits_that_are_not_asked_are_left_out(bilingual, model):
    assert measured(bilingual, model, splits=["val"])[1].metrics == ()


@pytest.mark.parametrize("numbers", [{"ks": []}, {"ks": [0]}, {"floor": 0}])
def test_numbers_that_mean_nothing_are_refused(numbers):
    with pytest.raises(ConfigError, match="ks is"):
        Languages(**numbers)
