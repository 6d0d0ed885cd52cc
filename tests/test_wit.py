"""Pages in two languages through the whole of dvc.yaml at `debug`: WIT's table and its pictures read, sifted of what leaks, trained on, measured by language, packaged."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.recipes.params import UNTRAINED
from tests.own_pictures import paint
from tests.wit_pages import write_wit
from tests.workspace import dvc, leave_out_probe, make_workspace

pytestmark = pytest.mark.timeout(900)
PICTURES = 300  # of which 30 are asked of in each language, what a slice is told by


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A workspace of which wit is packaged."""
    home = tmp_path_factory.mktemp("wit")
    said = paint(home / "mine", PICTURES)
    write_wit(home / "pages", {(home / "mine" / name).read_bytes(): caption for name, (caption, _) in said.items()})
    root = make_workspace(
        home / "job", source={"name": "wit", "path": "../pages"}, recipes={"wit": {"start": UNTRAINED}}
    )
    leave_out_probe(root, "wit")
    ran = dvc(root, "repro", "package@wit")
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    return root


def test_what_is_trained_on_has_fields_and_languages_of_its_pages(root):
    kept = pq.read_table(root / "data/curated/wit/manifest.parquet").to_pylist()
    texts = [text for row in kept if row["split"] == "train" for text in row["texts"]]
    assert {text["kind"] for text in texts} == {"reference", "attribution", "alt"}
    assert {text["lang"] for text in texts} == {"en", "de"}


def test_any_text_of_a_picture_is_right_and_each_language_and_field_is_measured(root):
    measured = json.loads((root / "runs/wit/evaluate/metrics.json").read_text())
    pictures = measured["retrieval.pair.image_to_text.recall_at_1"]["n"]
    assert measured["retrieval.pair.text_to_image.recall_at_1"]["n"] == 4 * pictures, (
        "four texts a picture, in two languages"
    )
    asked = {name.rpartition(".")[2] for name in measured if name.startswith("slices.pair.language.text_to_image.")}
    assert {"en", "de"} <= asked
    assert any(name.startswith("slices.pair.text_kind.text_to_image.reference") for name in measured)


def test_it_is_packaged(root):
    manifest = json.loads((root / "runs/wit/package/manifest.json").read_text())
    assert {"image_encoder.onnx", "text_encoder.onnx"} <= {*manifest["files"]}
