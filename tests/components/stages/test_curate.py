"""The stage curate: a recipe that needs regions learns from pictures that have them, and is refused where none has."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from components.contracts.errors import DataError
from components.contracts.progress import silent
from components.data.beside import read_kind
from components.data.ingest import ingest
from components.data.kinds import KINDS
from components.data.manifest import read_manifest
from components.data.regions import REGIONS
from components.data.sources.coco import CocoJson
from components.stages.curate import body
from components.stages.stage import Stage
from components.validation.validate import validate
from tests.own_pictures import paint, write_coco

REPOSITORY = Path(__file__).parents[3]
TESTED = ("pair", "designer", "concept", "both")


@pytest.fixture
def root(tmp_path) -> Path:
    """A workspace with the recipe boxes beside clip: clip itself, which needs a region of each picture, of 40 pixels."""
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    shutil.copytree(REPOSITORY / "components/recipes", tmp_path / "components/recipes")
    recipe = yaml.safe_load((tmp_path / "components/recipes/clip.yaml").read_text())
    recipe["curation"]["needs"] = {"kinds": ["regions"], "min_side": "pixels", "max_words": "context"}
    (tmp_path / "components/recipes/boxes.yaml").write_text(yaml.safe_dump(recipe))
    return tmp_path


def validated(root: Path, boxes: int) -> None:
    """Bring 30 pictures in, of which the first have a box each, and check them."""
    whole = write_coco(root / "own/annotations/captions_own.json", paint(root / "own/own", 30))
    images = [image | {"width": 40, "height": 40} for image in whole["images"]]
    annotations = [{"image_id": 10 + at, "bbox": [2, 2, 20, 20], "category_id": 1} for at in range(boxes)]
    said = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "thing"}]}
    (root / "own/annotations/instances_own.json").write_text(json.dumps(said))
    ingest(CocoJson(str(root / "own"), languages=["en"]), root / "data/raw", 0)
    validate(
        root / "data/raw", root / "data/validated", root / "data/evaluation", max_broken=0.0, seed=0,
        failed_report=root / "report.html",
    )  # fmt: skip


def curate(root: Path, recipe: str) -> dict:
    body(Stage(root=root, name="curate", recipe=recipe, progress=silent))
    return json.loads((root / f"data/curated/{recipe}/report.json").read_text())


def test_tables_beside_the_manifest_hold_no_row_of_a_test_picture(root):
    validated(root, boxes=30)
    clean = read_manifest(root / "data/validated/manifest.parquet")
    assert not {*clean["split"].to_pylist()} & {*TESTED}
    tables = {kind.name: read_kind(root / "data/validated", kind) for kind in KINDS}
    assert tables["regions"]["key"].to_pylist() == clean["key"].to_pylist()
    assert (len(tables["documents"]), len(tables["spans"])) == (0, 0)


def test_a_recipe_that_needs_regions_gets_the_pictures_that_have_them(root):
    validated(root, boxes=25)
    clean = read_manifest(root / "data/validated/manifest.parquet")
    boxed = read_kind(root / "data/validated", REGIONS)["key"].to_pylist()
    report = curate(root, "boxes")
    selected = read_manifest(root / "data/curated/boxes/manifest.parquet")["key"].to_pylist()
    assert selected == boxed == read_kind(root / "data/curated/boxes", REGIONS)["key"].to_pylist()
    assert report["needs"]["dropped"] == {"too_few_regions": len(clean) - len(boxed)}
    assert [check["rule"] for check in report["needs"]["checks"]] == [
        "a sample has 1 of the regions or more", "the shorter side of a picture has 40 pixels or more",
        "a text has 22 words or fewer",
    ]  # fmt: skip
    assert "needs" not in curate(root, "clip")
    assert read_manifest(root / "data/curated/clip/manifest.parquet").equals(clean)


def test_data_without_regions_is_refused_before_anything_is_trained(root):
    validated(root, boxes=0)
    with pytest.raises(DataError, match="recipe boxes needs regions, and this data has none, so nothing is trained"):
        curate(root, "boxes")
    assert not (root / "data/curated/boxes").exists()
