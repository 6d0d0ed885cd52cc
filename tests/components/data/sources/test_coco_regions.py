"""Boxes of COCO: each comes in with its picture, from 0 to 1, or is a row that says why not."""

import json
import random
import re

import pytest
import torch
from torchvision.ops import box_convert

from components.contracts.progress import silent
from components.contracts.reject import Reject
from components.contracts.sample import Region, Sample
from components.data.beside import read_kind
from components.data.ingest import ingest
from components.data.regions import REGIONS
from components.data.sources.coco import CocoJson
from tests.own_pictures import paint, write_coco

KINDS = [{"id": 1, "name": "circle"}, {"id": 2, "name": "square"}]


@pytest.fixture
def made(tmp_path):
    """A folder as COCO's, of 12 pictures of 40 x 40 with captions."""
    folder = tmp_path / "coco"
    said = paint(folder / "train2017", 12)
    whole = write_coco(folder / "annotations/captions_train2017.json", said)
    for image in whole["images"]:
        image |= {"width": 40, "height": 40}
    (folder / "annotations/captions_train2017.json").write_text(json.dumps(whole))
    return folder, whole


def instances(folder, whole, annotations, name="instances_train2017.json", images=None):
    """Write these annotations beside the captions."""
    said = {
        "images": whole["images"] if images is None else images,
        "annotations": annotations,
        "categories": KINDS,
    }
    (folder / "annotations" / name).write_text(json.dumps(said))


def came(folder):
    return list(CocoJson(str(folder)).samples(0, silent))


def box(image=10, bbox=(4, 8, 20, 10), category=1, **also):
    return {"image_id": image, "bbox": list(bbox), "category_id": category, **also}


def test_boxes_come_with_their_picture_from_0_to_1(made):
    folder, whole = made
    instances(folder, whole, [box(), box(bbox=(0, 0, 40, 40), category=2), box(image=12)])
    found = came(folder)
    assert found[0].regions == (
        Region(box=(0.1, 0.2, 0.6, 0.45), label="circle", of_px=(40, 40)),
        Region(box=(0.0, 0.0, 1.0, 1.0), label="square", of_px=(40, 40)),
    )
    assert [len(sample.regions) for sample in found] == [2, 0, 1, *[0] * 9]
    assert len(found[0].texts) == 2


def test_boxes_are_those_that_torchvision_converts(made):
    folder, whole = made
    draws = random.Random(0)
    corners = [sorted(draws.sample(range(81), 2)) + sorted(draws.sample(range(81), 2)) for _ in range(50)]
    bboxes = [[x0 / 2, y0 / 2, (x1 - x0) / 2, (y1 - y0) / 2] for x0, x1, y0, y1 in corners]
    bboxes = [bbox for bbox in bboxes if min(bbox[2:]) >= 1]
    instances(folder, whole, [box(bbox=bbox) for bbox in bboxes])
    wanted = box_convert(torch.tensor(bboxes, dtype=torch.float64), "xywh", "xyxy") / 40
    assert torch.equal(torch.tensor([one.box for one in came(folder)[0].regions], dtype=torch.float64), wanted)


def test_an_expression_is_said_of_its_box_and_of_the_picture_only_where_nothing_else_is(made):
    folder, whole = made
    whole["annotations"] = [one for one in whole["annotations"] if one["image_id"] != 12]
    whole["annotations"] += [{"image_id": at, "caption": "the round one", "bbox": [1, 1, 9, 9]} for at in (10, 12)]
    (folder / "annotations/captions_train2017.json").write_text(json.dumps(whole))
    found = came(folder)
    assert [one.regions[0].text for one in (found[0], found[2])] == ["the round one"] * 2
    assert "the round one" not in [text.text for text in found[0].texts]
    assert [text.text for text in found[2].texts] == ["the round one"]


@pytest.mark.parametrize(
    ("wrong", "reason", "says"),
    [
        (box(bbox=(30, 0, 20, 10)), "box_outside", "reaches from 30, 0 to 50, 10, and the picture is 40 x 40"),
        (box(bbox=(-5, 0, 20, 10)), "box_outside", "from -5, 0"),
        (box(bbox=(0, 0, 0, 10)), "box_empty", "0 wide and 10 high"),
        (box(bbox=(0, 0, 10, -3)), "box_empty", "10 wide and -3 high"),
        (box(bbox=(0, 0, 10, 0.5)), "box_empty", r"10 x 0\.5 pixels lie in the picture"),
        (box(bbox=(0, 0, 10)), "bad_box", "left, top, width and height in pixels are wanted"),
        (box(bbox=(0, 0, 10, "9")), "bad_box", "left, top, width and height"),
        (box(bbox=(0, 0, float("nan"), 9)), "bad_box", "left, top, width and height"),
        ({"image_id": 10, "category_id": 1}, "bad_box", "its bbox is None"),
        (box(category=7), "unknown_category", "its category_id is 7"),
        (box(category=[1]), "unknown_category", "its category_id is"),
        (box(category=None), "bad_box", "nothing says what it shows"),
        (box(image=999), "unknown_picture", "its image_id is 999"),
        ("?", "unknown_picture", "its image_id is None"),
    ],
)
def test_a_box_that_can_be_none_is_a_row_with_its_reason_and_its_picture_comes_in(made, wrong, reason, says):
    folder, whole = made
    instances(folder, whole, [box(), wrong, box(image=11)])
    found = came(folder)
    (reject,) = (one for one in found if isinstance(one, Reject))
    assert (reject.key, reject.reason) == ("instances_train2017.json, annotation 1", reason)
    assert re.search(says, reject.detail)
    assert sum(isinstance(one, Sample) for one in found) == 12


def test_an_edge_that_is_rounded_past_the_picture_ends_at_it(made):
    folder, whole = made
    instances(folder, whole, [box(bbox=(20.5, -0.5, 20, 10))])
    assert came(folder)[0].regions[0].box == (20.5 / 40, 0.0, 1.0, 9.5 / 40)


def test_boxes_without_the_pixels_of_their_picture_are_rows(made):
    folder, whole = made
    for image in whole["images"]:
        del image["width"]
    (folder / "annotations/captions_train2017.json").write_text(json.dumps(whole))
    instances(folder, whole, [box()])
    (reject,) = (one for one in came(folder) if isinstance(one, Reject))
    assert reject.reason == "bad_box"
    assert "width and height None and 40; pixels are wanted" in reject.detail


def test_pictures_of_both_files_are_matched_by_name_and_what_is_no_region_is_counted(made):
    folder, whole = made
    renumbered = [image | {"id": image["id"] + 1000} for image in whole["images"]]
    images = [*renumbered, {"id": 5, "file_name": "other.png", "width": 4, "height": 4}]
    instances(folder, whole, [box(image=1011), box(image=5), box(image=1010, iscrowd=1)], images=images)
    found = came(folder)
    assert [len(sample.regions) for sample in found] == [0, 1, *[0] * 10]
    source = CocoJson(str(folder))
    list(source.samples(0, silent))
    without = source.describe()["without"]
    assert without["boxes around crowds"].startswith("1: annotation 2 of instances_train2017.json")
    assert without["boxes of pictures that the file of captions does not list"].startswith("1: annotation 1")


def test_ingest_keeps_regions_beside_the_manifest_and_counts_them(made, tmp_path):
    folder, whole = made
    instances(folder, whole, [box(), box(bbox=(0, 0, 8, 8), category=2), box(image=12), box(bbox=(50, 50, 9, 9))])
    came_in = ingest(CocoJson(str(folder)), tmp_path / "raw", 0)
    assert came_in["regions"] == {"pictures": 2, "regions": 3}
    assert came_in["rejected"] == {"box_outside": 1}
    assert came_in["rows_in"] == 13
    rows = read_kind(tmp_path / "raw", REGIONS).to_pylist()
    assert [(row["region"], row["label"]) for row in rows] == [(0, "circle"), (1, "square"), (0, "circle")]
    assert [rows[1][edge] for edge in ("x0", "y0", "x1", "y1")] == [0.0, 0.0, 0.2, 0.2]
    assert {(row["of_width"], row["of_height"]) for row in rows} == {(40, 40)}


def test_the_same_data_without_boxes_makes_the_same_shards_and_manifest(made, tmp_path):
    folder, whole = made
    before = ingest(CocoJson(str(folder)), tmp_path / "before", 0)
    instances(folder, whole, [box()])
    after = ingest(CocoJson(str(folder)), tmp_path / "after", 0)
    assert before["digest"] == after["digest"]
    assert not (tmp_path / "before/regions.parquet").exists()
    for shard in (tmp_path / "before").rglob("*.tar"):
        assert shard.read_bytes() == (tmp_path / "after" / shard.relative_to(tmp_path / "before")).read_bytes()
