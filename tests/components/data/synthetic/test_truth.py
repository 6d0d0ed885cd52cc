import json
import shutil
from collections import Counter
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from components.contracts.errors import DataError, StaleArtifact
from components.data.beside import read_kind
from components.data.ingest import ingest
from components.data.manifest import read_manifest, write_manifest
from components.data.masks import unpack
from components.data.regions import REGIONS
from components.data.shards import open_pictures
from components.data.synthetic.grammars.grammar import Said
from components.data.synthetic.scenes import ScenesSource
from components.data.synthetic.truth import truth
from components.data.synthetic.words import COLOURS, OPPOSITE, SHAPES
from components.data.synthetic.writer import GRAMMARS


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("truth") / "raw"
    source = ScenesSource(
        pictures=80,
        captions={"alt": {"swapped": 0.4}, "short": {}},
        languages=["de", "en"],
        twins=1.0,
        wrong_regions=0.5,
    )
    ingest(source, folder, seed=4)
    return folder


def test_truth_has_the_rows_of_the_manifest(raw):
    rows, manifest = truth(raw).to_pylist(), read_manifest(raw / "manifest.parquet").to_pylist()
    assert [(row["key"], row["split"]) for row in rows] == [(row["key"], row["split"]) for row in manifest]
    faults = [one["fault"] for row in rows for one in row["texts_true"] if one["kind"] == "alt"]
    assert 0.2 < np.mean([fault == "swapped" for fault in faults]) < 0.6
    for row, kept in zip(rows, manifest, strict=True):
        for true, text in zip(row["texts_true"], kept["texts"], strict=True):
            assert (true["kind"], true["lang"]) == (text["kind"], text["lang"])
            assert (true["text"] == text["text"]) == (true["fault"] == "")
        if row["twin_of_true"]:
            assert (row["key"], row["split"]) == (f"{row['twin_of_true']}-twin", kept["split"])
            assert row["change_true"]


def test_boxes_and_masks_are_where_the_pixels_are(raw):
    """Where a flat, plain thing's mask is, the stored picture has its colour; a box holds the mask."""
    found = 0
    pictures = dict(open_pictures(raw, read_manifest(raw / "manifest.parquet")))
    sources = read_manifest(raw / "manifest.parquet")["source"].to_pylist()
    for row, designer in zip(truth(raw).to_pylist(), sources, strict=True):
        pixels = np.asarray(Image.open(BytesIO(pictures[row["key"]])).convert("RGB")).astype(int)
        for thing in row["things_true"]:
            mask = unpack(thing["mask"], (64, 64))
            left, top, right, bottom = (round(64 * edge) for edge in thing["box"])
            assert mask[top:bottom, left:right].sum() == mask.sum() > 20
            if designer == "flat" and thing["texture"] == "plain":
                found += 1
                assert (abs(pixels - np.array(COLOURS[thing["colour"]])).max(-1)[mask] < 20).mean() > 0.5
    assert found > 10


def test_regions_are_the_things_and_in_training_half_of_them_say_what_is_not_there(raw):
    regions, splits, wrong = iter(read_kind(raw, REGIONS).to_pylist()), Counter(), Counter()
    nouns = {GRAMMARS["de"].the(Said(shape=shape)).split()[-1]: shape for shape in SHAPES}
    for row in truth(raw).to_pylist():
        kinds = {(thing["colour"], thing["shape"]) for thing in row["things_true"]}
        for place, thing in enumerate(row["things_true"]):
            region = next(regions)
            assert (region["key"], region["region"], region["mask"]) == (row["key"], place, thing["mask"])
            assert [region[edge] for edge in ("x0", "y0", "x1", "y1")] == pytest.approx(thing["box"])
            assert (region["of_width"], region["of_height"]) == (64, 64)
            assert nouns[region["text"].split()[-1]] == region["label"]
            splits[row["split"] == "train"] += 1
            wrong[row["split"] == "train"] += region["text"] != thing["ref"]
            if region["text"] != thing["ref"]:
                said = {(colour, region["label"]) for colour in COLOURS if german(colour) in region["text"]}
                assert said
                assert not said & kinds
    assert next(regions, None) is None
    assert wrong[False] == 0
    assert 0.35 < wrong[True] / splits[True] < 0.65


def german(colour):
    """Return the beginning of the German word."""
    return GRAMMARS["de"].a(Said(shape="square", colour=colour)).split()[1].removesuffix("es")


def test_relations_are_told_of_every_two_things(raw):
    for row in truth(raw).to_pylist():
        told = {(one["one"], one["relation"], one["other"]) for one in row["relations_true"]}
        assert told == {(other, OPPOSITE[relation], one) for one, relation, other in told}
        count = len(row["things_true"])
        assert {(one, other) for one, _, other in told} == {
            (a, b) for a in range(count) for b in range(count) if a != b
        }
        for one, relation, other in told:
            a, b = (row["things_true"][at]["box"] for at in (one, other))
            if relation == "left of":
                assert a[0] + a[2] < b[0] + b[2]
            if relation == "above":
                assert a[1] + a[3] < b[1] + b[3]


def test_references_are_in_the_first_language(raw):
    refs = [thing["ref"] for row in truth(raw).to_pylist() for thing in row["things_true"]]
    assert all(ref.split()[0] in ("der", "die", "das") for ref in refs)


def test_other_data_has_no_truth_and_changed_data_is_refused(raw, tmp_path):
    other = tmp_path / "raw"
    shutil.copytree(raw, other)
    manifest = read_manifest(other / "manifest.parquet")
    write_manifest(manifest.slice(1), other / "manifest.parquet")
    with pytest.raises(StaleArtifact, match="Ingest again"):
        truth(other)
    came_in = json.loads((other / "source.json").read_text())
    (other / "source.json").write_text(json.dumps(came_in | {"source": came_in["source"] | {"name": "folder"}}))
    with pytest.raises(DataError, match="holds folder, of which nobody knows what is true"):
        truth(other)
