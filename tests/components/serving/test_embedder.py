"""A package embeds as it does when it is served, and a picture that cannot be decoded has no number."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from components.contracts.embedder import Embedder
from components.contracts.errors import ConfigError
from components.contracts.model_files import TRANSFORMS
from components.data.transforms.preprocess import Preprocess
from components.serving.embedder import open_embedder
from components.serving.encoders import PackageEncoders
from components.serving.package import Package
from tests.components.serving.counting_package import make_counting_package
from tests.components.serving.tiny_package import COLOURS, SIZE, make_package, picture, write_manifest
from tests.squares import png


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_package(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def embedder(folder) -> Embedder:
    return open_embedder("tiny", folder.parent, None)


def test_embeddings_are_those_that_are_served(embedder, folder):
    own = PackageEncoders(Package.verify(folder))
    pictures = [picture(colour) for colour in COLOURS.values()]
    np.testing.assert_allclose(embedder.pictures(pictures), own.embed_image(pictures), atol=1e-6)
    np.testing.assert_array_equal(embedder.texts(["red", "a blue square"]), own.embed_text(["red", "a blue square"]))
    assert embedder.name.startswith("tiny (")


@pytest.mark.parametrize(("threads", "runs"), [(1, [3, 3, 3, 2, 2, 2, 2]), (2, [4, 4, 4, 4, 3, 3, 3])])
def test_no_more_rows_are_at_once_than_stay_near_by_for_each_thread(tmp_path, threads, runs):
    encoders = PackageEncoders(Package.verify(make_counting_package(tmp_path / "counting")), threads)
    assert encoders.embed_image([picture(COLOURS["red"])] * 7)[:, 0].tolist() == runs
    assert encoders.embed_text(["red"] * 7)[:, 0].tolist() == runs


def test_what_runs_on_all_cores_is_cut_nowhere_since_others_have_more_of_them(tmp_path):
    encoders = PackageEncoders(Package.verify(make_counting_package(tmp_path / "counting")))
    assert encoders.embed_text(["red"] * 100)[:, 0].tolist() == [100] * 100


def test_what_cannot_be_decoded_has_no_number(embedder):
    rows = embedder.pictures([b"no picture", picture(COLOURS["red"])])
    assert np.isnan(rows).all(1).tolist() == [True, False]
    assert np.isnan(embedder.pictures([b"no picture"])).all()


def test_a_long_screenshot_with_a_margin_is_embedded_as_any_other(tmp_path):
    """Its square has 190 million pixels, which Pillow refuses."""
    folder = make_package(tmp_path / "trimming")
    (folder / TRANSFORMS).write_text(Preprocess(size=SIZE, trim=True).to_json())
    write_manifest(folder)
    screenshot = Image.new("RGB", (300, 12_500), (255, 255, 255))
    ImageDraw.Draw(screenshot).rectangle((20, 50, 280, 12_450), fill=COLOURS["red"])
    rows, faults = open_embedder("trimming", tmp_path, None).seen([png(screenshot)])
    assert faults == [None]
    assert np.isfinite(rows).all()


def test_what_is_no_model_is_told_what_is_one(tmp_path):
    with pytest.raises(ConfigError, match="is no model"):
        open_embedder("nothing", tmp_path, None)
