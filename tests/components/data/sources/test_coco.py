"""Captions as COCO lists them: several a picture, licences by URL, and every entry that leads nowhere is a row."""

import json
import shutil

import pytest

from components.contracts.errors import DataError
from components.contracts.progress import silent
from components.contracts.reject import Reject
from components.contracts.sample import Sample
from components.data.ingest import ingest
from components.data.sources import build_source
from components.data.sources.coco import CocoJson, spdx_of
from components.data.sources.which import describe_path
from tests.own_pictures import paint, write_coco

LICENCES = [
    {"id": 1, "url": "http://creativecommons.org/licenses/by-nc-sa/2.0/"},
    {"id": 2, "url": "https://creativecommons.org/publicdomain/zero/1.0/"},
    {"id": 7, "url": "http://flickr.com/commons/usage/"},
]


@pytest.fixture
def made(tmp_path):
    """A folder as COCO's, of 12 pictures with two captions each, and what its .json says."""
    folder = tmp_path / "coco"
    said = paint(folder / "train2017", 12, suffix="jpg")
    return folder, write_coco(folder / "annotations/captions_train2017.json", said, licenses=LICENCES)


def came(path, seed=0, **settings):
    return list(CocoJson(str(path), **settings).samples(seed, silent))


def again(folder, whole):
    (folder / "annotations/captions_train2017.json").write_text(json.dumps(whole))


def rejects(found):
    return {one.key.partition(", ")[2] or one.key: one.reason for one in found if isinstance(one, Reject)}


def test_pictures_come_with_all_their_captions_in_the_order_of_the_images(made):
    folder, whole = made
    found = came(folder)
    assert [sample.media[0].data for sample in found] == [
        (folder / "train2017" / image["file_name"]).read_bytes() for image in whole["images"]
    ]
    by_image = {image["id"]: [] for image in whole["images"]}
    for annotation in whole["annotations"]:
        by_image[annotation["image_id"]].append(annotation["caption"])
    assert [[text.text for text in sample.texts] for sample in found] == list(by_image.values())
    assert {sample.licence for sample in found} == {"CC-BY-NC-SA-2.0"}
    said = CocoJson(str(folder)).describe()
    assert said["counted"] == {"pictures": 12, "captions": 24, "groups": 0}
    assert said["without"]["zero_shot"].startswith("no annotation names a category")


@pytest.mark.parametrize(
    ("url", "spdx"),
    [
        ("http://creativecommons.org/licenses/by/2.0/", "CC-BY-2.0"),
        ("http://creativecommons.org/licenses/by-nc-nd/2.0/", "CC-BY-NC-ND-2.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("http://www.usa.gov/copyright.shtml", None),
        (None, None),
    ],
)
def test_licences_are_spdx_identifiers_where_their_url_says_which(url, spdx):
    assert spdx_of({"url": url}) == spdx


@pytest.mark.parametrize("place", ["train2017", "images/train2017", "images", ".", "annotations", "elsewhere"])
def test_pictures_are_found_in_the_folders_that_coco_has_or_where_it_is_said(made, place):
    folder, _ = made
    shutil.move(folder / "train2017", folder / "moved")
    (folder / place).mkdir(parents=True, exist_ok=True)
    for path in (folder / "moved").iterdir():
        shutil.move(path, folder / place / path.name)
    assert len(came(folder, images="elsewhere" if place == "elsewhere" else None)) == 12


def test_two_files_of_captions_are_one_set(made):
    folder, _ = made
    said = paint(folder / "val2017", 20, suffix="png")
    write_coco(folder / "annotations/captions_val2017.json", said)
    found = came(folder)
    assert len(found) == 32
    assert len({sample.key for sample in found}) == 32


def test_a_category_is_the_label_where_a_picture_has_one(made):
    folder, whole = made
    whole["categories"] = [{"id": 5, "name": "circle"}, {"id": 6, "name": "square"}]
    for place in range(6):
        whole["annotations"][place]["category_id"] = 5 + place % 2
    whole["annotations"][12]["category_id"] = 6  # the first picture's second caption: two kinds are no label
    again(folder, whole)
    assert [sample.labels.get("category") for sample in came(folder)[:7]] == [
        None, "square", "circle", "square", "circle", "square", None,
    ]  # fmt: skip


def test_what_leads_nowhere_is_a_row_with_its_reason_and_the_others_come_in(made, tmp_path):
    folder, whole = made
    (folder / "train2017/0003.jpg").unlink()
    (folder / "train2017/0004.jpg").write_bytes(b"")
    (tmp_path / "secret.jpg").write_bytes((folder / "train2017/0005.jpg").read_bytes())
    images, annotations = whole["images"], whole["annotations"]
    images += [
        {"id": 90, "file_name": "../../secret.jpg"}, {"id": 91, "file_name": str(tmp_path / "secret.jpg")},
        {"id": 10, "file_name": "0000.jpg"}, {"id": 92, "file_name": "0001.jpg"}, {"id": 93}, {"id": [], "file_name": "a"}, "?",
    ]  # fmt: skip
    annotations += [
        {"image_id": 999, "caption": "a ghost"}, {"caption": "of nothing"}, "?", {"image_id": 10, "caption": " "},
    ]  # fmt: skip
    again(folder, whole)
    found = came(folder)
    assert rejects(found) == {
        "train2017/0003.jpg": "no_picture", "train2017/0004.jpg": "zero_bytes",
        "../../secret.jpg": "path_escape", str(tmp_path / "secret.jpg"): "path_escape",
        "image 14": "duplicate_key", "train2017/0001.jpg": "duplicate_key",
        "image 16": "no_picture", "image 17": "no_picture", "image 18": "no_picture",
        "annotation 24": "unknown_picture", "annotation 25": "unknown_picture", "annotation 26": "unknown_picture",
    }  # fmt: skip
    assert sum(isinstance(one, Sample) for one in found) == 10
    assert (
        CocoJson(str(folder)).describe()["without"]["annotations without a caption"].startswith("1: annotation 27 of")
    )
    came_in = ingest(CocoJson(str(folder)), tmp_path / "raw", 0)
    assert came_in["rows_in"] == 22 == came_in["samples"] + came_in["quarantined"]


def test_a_picture_without_captions_comes_in_without_texts(made):
    folder, whole = made
    whole["annotations"] = [one for one in whole["annotations"] if one["image_id"] != 12]
    again(folder, whole)
    assert [len(sample.texts) for sample in came(folder)[:4]] == [2, 2, 0, 2]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"{", "is no JSON in UTF-8"),
        (b'{"images": [], "annotations": [{"caption": "\xff"}]}', "is no JSON in UTF-8"),
        (b"[" * 100_000, "is no JSON in UTF-8"),
        (b"[]", "has no lists `images` and `annotations`"),
        (b'{"images": {}, "annotations": []}', "has no lists"),
        (b'{"images": [], "annotations": [{"bbox": []}]}', r"has a caption\. Give captions_\*\.json, not instances_"),
        (b'{"images": [], "annotations": [{"caption": "a"}]}', r"0 pictures with a caption.*1: .*annotation 0"),
    ],
)
def test_a_file_that_is_none_of_captions_is_refused(made, text, says):
    folder, _ = made
    (folder / "annotations/captions_train2017.json").write_bytes(text)
    with pytest.raises(DataError, match=says):
        came(folder)


def test_a_folder_without_such_a_file_is_refused_with_what_to_write(made):
    folder, _ = made
    shutil.move(folder / "annotations/captions_train2017.json", folder / "mine.json")
    with pytest.raises(DataError, match=r"has no captions_\*\.json.*annotations: FILE"):
        came(folder)
    with pytest.raises(DataError, match=r"has no other\.json"):
        came(folder, annotations="other.json")
    assert len(came(folder, annotations="mine.json", images="train2017")) == 12


def test_a_folder_as_cocos_is_known_from_its_files(made, tmp_path, monkeypatch):
    folder, _ = made
    monkeypatch.chdir(tmp_path)
    assert describe_path(folder) == {"name": "coco", "path": "coco"}
    by_file = describe_path(folder / "annotations/captions_train2017.json")
    assert by_file == {"name": "coco", "path": "coco", "annotations": "annotations/captions_train2017.json"}
    for source in (describe_path(folder), by_file):
        assert len(list(build_source(source).samples(0, silent))) == 12
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(DataError, match="has no lists `images` and `annotations`"):
        describe_path(tmp_path / "other.json")
