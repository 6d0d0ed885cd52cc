"""The stage curate: steps leave of the training split what they are asked to, and a recipe that needs regions gets pictures that have them."""

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from components.contracts.errors import CapabilityError, ConfigError, DataError
from components.contracts.progress import silent
from components.data.beside import read_kind
from components.data.ingest import ingest
from components.data.kinds import KINDS
from components.data.manifest import read_manifest
from components.data.regions import REGIONS
from components.data.series import SERIES
from components.data.sources.coco import CocoJson
from components.data.sources.table import PairTable
from components.recipes.recipe import load_recipe
from components.stages.curate import body
from components.stages.selected import Selected
from components.stages.stage import Stage
from components.validation.validate import validate
from tests.components.serving.tiny_package import make_package
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
    boxed(root, write_coco(root / "own/annotations/captions_own.json", paint(root / "own/own", 30)), range(boxes))


def boxed(root: Path, whole: dict, places: Sequence[int]) -> None:
    """Bring pictures in, with a box each time that the place of one is named, and check them."""
    images = [image | {"width": 40, "height": 40} for image in whole["images"]]
    annotations = [{"image_id": 10 + at, "bbox": [2, 2, 20, 20], "category_id": 1} for at in places]
    said = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "thing"}]}
    (root / "own/annotations/instances_own.json").write_text(json.dumps(said))
    ingest(CocoJson(str(root / "own"), languages=["en"]), root / "data/raw", 0)
    checked(root)


def checked(root: Path) -> None:
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


def test_series_go_with_what_is_selected_so_that_few_that_choose_are_kept_apart(root):
    said = paint(root / "mine", 30)
    lines = [f"{name},{caption},series {place // 3}" for place, (name, (caption, _)) in enumerate(said.items())]
    (root / "mine/captions.csv").write_text("\n".join(["image,caption,group", *lines]))
    ingest(PairTable(str(root / "mine/captions.csv")), root / "data/raw", 0)
    checked(root)
    curate(root, "clip")
    selected = Selected.read(root, "clip")
    for pool in (selected.train, selected.val):
        of = {key: key[:4] for key in pool.keys}
        assert [one is not None for one in pool.series] == [True] * len(pool)
        assert len(set(pool.series)) == len({int(number) // 3 for number in of.values()})
    assert not {*selected.train.series} & {*selected.val.series}
    assert root / "data/curated/clip" / SERIES.file in selected.files, "another series is another training"


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


OPS = "components.curation.ops"


def with_steps(root: Path, *ops: dict, scale: str = "debug", **curation: object) -> None:
    """A recipe called steps, and a scale whose batch is 16, or 256 for laptop."""
    recipe = yaml.safe_load((root / "components/recipes/clip.yaml").read_text())
    recipe["curation"] |= {"ops": list(ops), **curation}
    (root / "components/recipes/steps.yaml").write_text(yaml.safe_dump(recipe))
    params = yaml.safe_load((root / "params.yaml").read_text())
    (root / "params.yaml").write_text(yaml.safe_dump(params | {"scale": scale}))


def test_steps_leave_of_the_training_split_what_they_are_asked_to(root):
    validated(root, boxes=0)
    clean = read_manifest(root / "data/validated/manifest.parquet")
    shards = {path: path.read_bytes() for path in sorted((root / "data/raw").rglob("*.tar"))}
    with_steps(
        root,
        {"class_path": f"{OPS}.measure.Measure", "init_args": {"pictures": True}},
        {
            "class_path": f"{OPS}.keep.Keep",
            "init_args": {"where": "words >= 6 and contrast > 0", "reason": "few words"},
        },
        {"class_path": f"{OPS}.deduplicate.Deduplicate"},
        {"class_path": f"{OPS}.select.Select", "init_args": {"count": 16, "by": "bits_per_pixel"}},
    )
    report = curate(root, "steps")
    left = read_manifest(root / "data/curated/steps/manifest.parquet")
    val = [
        key for key, split in zip(clean["key"].to_pylist(), clean["split"].to_pylist(), strict=True) if split == "val"
    ]
    assert len(left) == 16 + len(val)
    assert set(val) < set(left["key"].to_pylist())
    in_order = [key for key in clean["key"].to_pylist() if key in set(left["key"].to_pylist())]
    assert left["key"].to_pylist() == in_order
    assert [step["op"] for step in report["ops"]] == ["Measure", "Keep", "Deduplicate", "Select"]
    assert report["ops"][0]["rows_in"] == len(clean) - len(val)
    assert report["ops"][-1]["rows_out"] == 16
    columns = pq.read_table(root / "data/curated/steps/columns.parquet")
    assert columns["key"].to_pylist() == [key for key in left["key"].to_pylist() if key not in val]
    assert {"words", "contrast", "bits_per_pixel"} < set(columns.column_names)
    page = (root / "data/curated/steps/report.html").read_text()
    for step in report["ops"]:
        for reason, keys in step["examples"].items():
            assert reason in page
            assert keys[0] in page
    assert {path: path.read_bytes() for path in sorted((root / "data/raw").rglob("*.tar"))} == shards


def test_samples_that_steps_make_have_what_is_known_of_their_picture(root):
    said = paint(root / "mine", 30)
    lines = [f"{name},{text},{place // 3}" for place, (name, (text, _)) in enumerate(said.items())]
    lines += [f"{name},{text} again,{place // 3}" for place, (name, (text, _)) in enumerate(said.items())]
    (root / "mine/captions.csv").write_text("\n".join(["image,caption,group", *lines]))
    ingest(PairTable(str(root / "mine/captions.csv")), root / "data/raw", 0)
    checked(root)
    copies = {"share": 1.0, "defects": ["copy"]}
    with_steps(
        root, {"class_path": f"{OPS}.regroup.Regroup"}, {"class_path": f"{OPS}.corrupt.Corrupt", "init_args": copies}
    )
    curate(root, "steps")
    of = read_kind(root / "data/validated", SERIES).to_pylist()
    of = {row["key"]: row["series"] for row in of}
    train, val = Selected.read(root, "steps").train, Selected.read(root, "steps").val
    assert sorted({key.partition("~")[0] for key in train.keys} | {*val.keys}) == sorted(of)
    assert len(train) == 4 * len({key.partition("~")[0] for key in train.keys})
    for pool in (train, val):
        assert list(pool.series) == [of[key.partition("~")[0]] for key in pool.keys]


def test_a_text_that_became_a_sample_of_its_own_has_the_regions_of_its_picture(root):
    whole = write_coco(root / "own/annotations/captions_own.json", paint(root / "own/own", 30))  # two captions each
    boxed(root, whole, [at // 2 for at in range(40)])  # two each of 20 pictures
    needed = {"kinds": ["regions"], "regions": 2}
    with_steps(root, {"class_path": f"{OPS}.regroup.Regroup"}, needs=needed)
    report = curate(root, "steps")
    clean = read_manifest(root / "data/validated/manifest.parquet")
    before = read_kind(root / "data/validated", REGIONS).to_pylist()
    train = {row["key"] for row in clean.to_pylist() if row["split"] == "train"}
    selected = read_manifest(root / "data/curated/steps/manifest.parquet")["key"].to_pylist()
    have = {row["key"] for row in before}
    assert sorted(selected) == sorted([*have, *(f"{key}~2" for key in have & train)])
    assert report["needs"]["dropped"] == {
        "too_few_regions": sum(1 + (key in train) for key in clean["key"].to_pylist() if key not in have)
    }
    found = read_kind(root / "data/curated/steps", REGIONS).to_pylist()
    assert [row for row in found if row["key"] in have] == before
    assert [row["key"].removesuffix("~2") for row in found if row["key"] not in have] == [
        row["key"] for row in before if row["key"] in train
    ]
    keys = [row["key"] for row in found]
    assert keys[::2] == keys[1::2], "those of one picture stand together"
    assert [row["region"] for row in found] == [0, 1] * (len(found) // 2)


def test_a_package_scores_and_clusters_and_its_features_are_kept(root):
    validated(root, boxes=0)
    make_package(root / "tiny")
    steps = [
        {"class_path": f"{OPS}.score.Score", "init_args": {"model": "tiny"}},
        {"class_path": f"{OPS}.cluster.Cluster", "init_args": {"model": "tiny", "clusters": 3}},
        {
            "class_path": f"{OPS}.tag.Tag",
            "init_args": {"model": "tiny", "labels": ["red", "green", "blue"], "prompt": "a {} square"},
        },
    ]
    with_steps(root, *steps, models={"tiny": "tiny"})
    curate(root, "steps")
    columns = pq.read_table(root / "data/curated/steps/columns.parquet")
    assert columns.column_names == ["key", "score", "cluster", "centrality", "tag", "tag_score"]
    assert columns.drop_columns("tag").combine_chunks().to_pandas().notna().all().all()
    kept = {path: path.stat().st_mtime_ns for path in (root / ".diptych/cache/features").iterdir()}
    assert len(kept) == 3  # of pictures, of captions, of prompts
    curate(root, "steps")
    assert pq.read_table(root / "data/curated/steps/columns.parquet").equals(columns)
    assert {path: path.stat().st_mtime_ns for path in (root / ".diptych/cache/features").iterdir()} == kept
    shutil.rmtree(root / "tiny")
    make_package(root / "tiny", seed=1)
    curate(root, "steps")
    assert len([*(root / ".diptych/cache/features").iterdir()]) == 6


def test_without_any_model_pictures_get_several_clusters_which_training_reads_by_key(root):
    validated(root, boxes=0)
    step = {"class_path": f"{OPS}.cluster.Cluster", "init_args": {"model": "features", "clusters": 6, "labels": 2}}
    with_steps(root, step, models={"features": "plain"})
    report = curate(root, "steps")
    columns = pq.read_table(root / "data/curated/steps/columns.parquet")
    assert columns.column_names == ["key", "cluster", "centrality", "clusters", "similarities"]
    assert report["ops"][0]["stats"]["largest"] >= report["ops"][0]["stats"]["smallest"] >= 1
    training = replace(load_recipe(root, "mlcd", "debug").training, clusters=True)
    train = Selected.read(root, "steps", training).train
    found = dict(zip(columns["key"].to_pylist(), map(tuple, columns["clusters"].to_pylist()), strict=True))
    assert train.clusters == tuple(found[key] for key in train.keys)
    assert len(train.clusters) == report["ops"][0]["rows_out"]
    assert {len(set(own)) for own in train.clusters} == {2}
    with_steps(
        root, {**step, "init_args": {"model": "features", "clusters": 6, "of": "text"}}, models={"features": "plain"}
    )
    with pytest.raises(CapabilityError, match="knows pictures by their colours and edges, and no text"):
        curate(root, "steps")


def test_fewer_samples_than_a_batch_and_a_model_that_is_not_there_are_refused(root):
    validated(root, boxes=0)
    with_steps(root, {"class_path": f"{OPS}.select.Select", "init_args": {"count": 15}})
    with pytest.raises(
        DataError,
        match="curation left 15 training samples, fewer than the batch of 16 that the scale debug or overrides",
    ):
        curate(root, "steps")
    params = yaml.safe_load((root / "params.yaml").read_text())
    (root / "params.yaml").write_text(yaml.safe_dump(params | {"overrides": {"training": {"batch": 15}}}))
    curate(root, "steps")
    assert read_manifest(root / "data/curated/steps/manifest.parquet")["split"].to_pylist().count("train") == 15
    shutil.rmtree(root / "data/curated/steps")
    with_steps(root, {"class_path": f"{OPS}.score.Score", "init_args": {"model": "tiny"}}, models={"tiny": "nowhere"})
    with pytest.raises(ConfigError, match="'nowhere' is no model"):
        curate(root, "steps")
    with_steps(root, {"class_path": f"{OPS}.score.Score", "init_args": {"model": "tiny"}})
    with pytest.raises(ConfigError, match=r"asks for the features 'tiny\.image', and curation.models names none"):
        curate(root, "steps")
    assert not (root / "data/curated/steps").exists()


def test_ray_is_asked_for_by_the_recipe_and_refused_where_it_is_not_installed(root, monkeypatch):
    validated(root, boxes=0)
    with_steps(root, {"class_path": f"{OPS}.parse.Parse"}, engine="ray", cpus=2)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(CapabilityError, match=r"curation\.engine is ray, but Ray is not installed here"):
        curate(root, "steps")
    with_steps(root, {"class_path": f"{OPS}.parse.Parse"}, cpus=-1)
    with pytest.raises(ConfigError, match=r"cpus is -1, but it is a number of cores"):
        curate(root, "steps")
