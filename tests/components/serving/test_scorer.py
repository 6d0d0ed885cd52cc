"""A package says how well words fit pictures as it says it when it is served, and what is none is told what to give instead."""

import numpy as np
import pytest

from components.contracts.errors import ConfigError, StaleArtifact
from components.contracts.scorer import Scorer
from components.serving.encoders import PackageEncoders
from components.serving.package import Package
from components.serving.scorer import open_scorer
from tests.components.serving.tiny_package import COLOURS, make_package, picture


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_package(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def scorer(folder) -> Scorer:
    return open_scorer("tiny", folder.parent, None)


def test_scores_are_the_cosines_of_the_served_embeddings(scorer, folder):
    own = PackageEncoders(Package.verify(folder))
    pictures = [picture(colour) for colour in COLOURS.values()]
    texts = [f"a {name} square" for name in COLOURS]
    expected = np.diagonal(own.embed_image(pictures) @ own.embed_text(texts).T)
    assert scorer.score(pictures, [[text] for text in texts]) == pytest.approx(expected, abs=1e-6)
    assert scorer.score(pictures, [[texts[0]]] * 3).argmax() == 0


def test_of_several_texts_the_best_counts_and_what_is_missing_has_no_score(scorer):
    red = picture(COLOURS["red"])
    one, other, both = scorer.score([red] * 3, [["red"], ["blue"], ["blue", "red"]])
    assert both == one > other
    scores = scorer.score([red, b"no picture", red, red], [["red"], ["red"], [], ["red"]])
    assert np.isnan(scores).tolist() == [False, True, True, False]
    assert scorer.score([], []).shape == (0,)
    assert np.isnan(scorer.score([b""], [[]])).all()


def test_the_name_says_which_model_it_is(scorer, folder):
    assert scorer.name == f"tiny ({Package.verify(folder).digest[:12]})"


@pytest.mark.parametrize("said", ["nothing", "tiny", "clip@", "@3"])
def test_what_is_no_model_is_told_what_is_one(tmp_path, said):
    (tmp_path / "tiny").mkdir()
    with pytest.raises(ConfigError, match=r"is no model.*runs/clip/package"):
        open_scorer(said, tmp_path, None)


@pytest.mark.parametrize("said", ["clip@3", "clip@champion"])
def test_a_version_needs_a_workspace(tmp_path, said):
    with pytest.raises(ConfigError, match="in no workspace"):
        open_scorer(said, tmp_path, None)


def test_a_package_that_was_changed_is_not_asked(tmp_path):
    folder = make_package(tmp_path / "tiny")
    (folder / "text_encoder.onnx").write_bytes(b"other")
    with pytest.raises(StaleArtifact, match="was changed after it was packaged"):
        open_scorer(str(folder), tmp_path, None)
