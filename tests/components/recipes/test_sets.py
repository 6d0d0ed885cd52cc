"""Evaluation sets of a recipe are held against what is there before anything runs."""

import pytest

from components.contracts.errors import ConfigError
from components.recipes.recipe import load_recipe, read_recipe
from components.recipes.sets import check_sets
from tests.their_sets import write_set
from tests.workspace import REPOSITORY


@pytest.fixture
def root(tmp_path, squares):
    """A workspace with recipes and one set; what params.yaml overrides is written by `asking`."""
    (tmp_path / "components").symlink_to(REPOSITORY / "components")
    rows = [
        {"png": data, "txt": name.encode()} for data, (name,) in zip(squares.pictures, squares.captions, strict=True)
    ]
    write_set(tmp_path / "data/sets/sayings", rows)
    return tmp_path


def asking(root, said: str):
    params = (REPOSITORY / "params.yaml").read_text().replace("  evaluation: {}\n", f"  evaluation:\n    sets:\n{said}")
    (root / "params.yaml").write_text(params)
    return read_recipe(root, "clip")


def test_sets_of_params_are_the_recipe_s(root):
    document = asking(
        root,
        "      said: {path: data/sets/sayings}\n      shown: {path: data/sets/sayings, source: {name: webdataset}}\n",
    )
    check_sets(document, root)
    sets = load_recipe(root, "clip", "debug").evaluation.sets
    assert {name: (one.path, one.split, one.source) for name, one in sets.items()} == {
        "said": ("data/sets/sayings", "test", None), "shown": ("data/sets/sayings", "test", {"name": "webdataset"}),
    }  # fmt: skip


def test_a_source_that_reads_no_path_is_a_set_by_itself(root):
    document = asking(root, "      tones: {source: {name: emoji_tones, every: 10}}\n")
    check_sets(document, root)
    (one,) = load_recipe(root, "clip", "debug").evaluation.sets.values()
    assert (one.path, one.source) == (None, {"name": "emoji_tones", "every": 10})


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("      val: {path: data/sets/sayings}\n", "'val', but its numbers bear its name"),
        ("      a-b: {path: data/sets/sayings}\n", "'a-b', but its numbers bear its name"),
        ("      one: {path: data/sets/gone}\n", "there is no data/sets/gone"),
        ("      one: {path: elsewhere/sayings}\n", "sets are in data/sets, where DVC sees"),
        ("      one: {path: data/sets/../raw}\n", "sets are in data/sets"),
        ("      one: {path: data/sets/sayings, source: {name: folders}}\n", "did you mean folder"),
        ("      one: {}\n", "neither a path nor a source"),
        ("      one: {source: {name: folder}}\n", "the source folder reads one. Say `path: data/sets/one`"),
        ("      one: {source: {name: emoji_tone}}\n", "did you mean emoji_tones"),
        ("      one: {source: {}}\n", "needs a name"),
        ("      one: {source: {name: emoji_tones, every: 0}}\n", "every is 0"),
        ("      one: {path: data/sets/sayings, source: {name: emoji_tones}}\n", "Take the path out"),
        ("      one: {path: data/sets/sayings, evaluators: [{class_path: components.evaluation.knn.Neighbour}]}\n", "Neighbour"),
        ("      one: {path: data/sets/sayings, evaluators: [{class_path: components.evaluation.retrieval.Retrieval, init_args: {k: [1]}}]}\n", "'k'"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_said_with_its_line(root, said, why):
    document = asking(root, said)
    with pytest.raises(ConfigError, match=r"params.yaml, line \d+") as raised:
        check_sets(document, root)
    assert why in str(raised.value)


@pytest.mark.parametrize(
    ("said", "why"),
    [("      one: {paths: data/sets/sayings}\n", "Did you mean path"), ("      one: {path: 3}\n", "path")],
)  # fmt: skip
def test_a_set_that_is_not_spelled_right_is_said_with_its_line(root, said, why):
    asking(root, said)
    with pytest.raises(ConfigError, match=r"params.yaml, line \d+") as raised:
        load_recipe(root, "clip", "debug")
    assert why in str(raised.value)


def test_a_link_is_refused_since_dvc_does_not_look_behind_it(root, tmp_path):
    (root / "elsewhere").mkdir()
    (root / "data/sets/linked").symlink_to(root / "elsewhere")
    document = asking(root, "      one: {path: data/sets/linked}\n")
    with pytest.raises(ConfigError, match=r"data/sets/linked is a link, and DVC does not look behind one"):
        check_sets(document, root)
    (root / "data/sets/sayings/more").symlink_to(root / "elsewhere")
    with pytest.raises(ConfigError, match=r"sayings/more is a link"):
        check_sets(asking(root, "      one: {path: data/sets/sayings}\n"), root)


def test_what_a_source_would_not_look_at_is_refused(root):
    document = asking(root, "      one: {path: data/sets/sayings, source: {name: webdataset}, split: test}\n")
    with pytest.raises(ConfigError, match="split is of sets in CLIP_benchmark's layout"):
        check_sets(document, root)
