import pytest

from components.contracts.errors import ConfigError
from components.curation.ops.tag import Tag
from tests.components.curation.toy import features, manifest

KEYS = ["k000", "k001", "k002"]


@pytest.fixture
def held():
    return features(
        image=(KEYS, [[5.0, 0.0], [0.0, 1.0], [1.0, 1.01]]),
        text=(["a red one", "a blue one"], [[1.0, 0.0], [0.0, 2.0]]),
    )


def test_a_picture_has_the_label_that_it_fits_best(held):
    left, report = Tag("toy", ["red", "blue"], prompt="a {} one").apply(manifest(3), held, 0)
    assert left["tag"].to_pylist() == ["red", "blue", "blue"]
    assert left["tag_score"].to_pylist()[:2] == [1.0, 1.0]
    assert report.stats == {"red": 1, "blue": 2, "no label": 0}


@pytest.mark.parametrize("bar", [{"at_least": 0.9}, {"margin": 0.1}])
def test_a_picture_that_fits_none_or_two_has_none(held, bar):
    left, report = Tag("toy", ["red", "blue"], prompt="a {} one", column="colour", **bar).apply(manifest(3), held, 0)
    assert left["colour"].to_pylist() == ["red", "blue", None]
    assert report.stats["no label"] == 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"labels": ["red"]}, "labels are"), ({"labels": ["red", "red"]}, "none twice"), ({"prompt": "a one"}, "prompt is 'a one'"),
        ({"at_least": 2.0}, "at_least is 2.0"), ({"margin": -0.1}, "margin is -0.1"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(given, says):
    with pytest.raises(ConfigError, match=says):
        Tag("toy", **{"labels": ["red", "blue"], **given})
