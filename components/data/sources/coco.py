"""Captions as COCO writes them: `captions_*.json` with `images` and `annotations`, and the pictures in folders beside it.

Boxes come with them as regions, see coco_regions.py.

Source: cocodataset.org/#format-data. Differs: an annotation may be the caption of a picture that is not in `images`, a file may
be missing or lead out of its folder; each is a Reject, where pycocotools ends with a KeyError or never looks.
"""

import json
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from components.contracts.errors import DataError
from components.contracts.reject import Reject
from components.data.remote.addresses import REMOTE
from components.data.remote.s3 import bucket_and_key
from components.data.sources.coco_pictures import AtUrls, InFolder, Pictures
from components.data.sources.coco_regions import Boxes, boxes_beside, find_boxes
from components.data.sources.files import PICTURES
from components.data.sources.found import Found, Own
from components.data.sources.own_source import OwnSource
from components.data.sources.rows import texts_of
from components.data.sources.settings import NOT_STATED, existing

JSON, PATTERN = ".json", "captions_*.json"
FOLDERS = (".", "annotations")  # below the path, where such files lie
MAX_JSON_BYTES = 2**30
_LOOKED_AT = 100  # names, to find the folder of the pictures
_CREATIVE = re.compile(r"creativecommons\.org/licenses/([a-z-]+)/([0-9.]+)")
_ZERO = re.compile(r"creativecommons\.org/publicdomain/zero/([0-9.]+)")


class CocoJson(OwnSource):
    """Pictures and their captions, several a picture, as captions_train2017.json and its like list them.

    Args:
        path: the folder with the .json (or with `annotations`) and the pictures.
        url: in its place, where they lie: s3:// of a folder, or the URL of a .json whose images have a coco_url; see docs/elsewhere.md.
        version: of what lies there, as source.json and `diptych run --data` say it; what is another one is refused.
        allow_hosts: hosts of this network that may be asked, as host:port.
        annotations: the .json below that folder, where it is called otherwise than captions_*.json.
        images: the folder of the pictures below it, where it is none of those that COCO has, or the URL they lie below.
        languages: codes of the languages that captions are in, such as [en, de]; without, a caption's is not stated.
        licence: SPDX identifier of the pictures for which the .json states none.
    """

    name, what, suffixes = "coco", f"a folder with {PATTERN}", (*PICTURES, JSON)

    def __init__(
        self,
        path: str = "data/own",
        url: str | Sequence[str] | None = None,
        version: str | None = None,
        allow_hosts: Sequence[str] | None = None,
        annotations: str | None = None,
        images: str | None = None,
        languages: Sequence[str] | None = None,
        licence: str = NOT_STATED,
    ) -> None:
        super().__init__(path, url, version, allow_hosts, languages, licence)
        self.annotations, self.images = annotations, images

    def find(self, here: Path) -> Found:
        """Return the pictures that the files of captions below a folder list. DataError when there is no such file."""
        folder, files = self._files(here)
        named = REMOTE.match(self.images or "") and f"s3://{bucket_and_key(str(self.images))[0]}"
        allowed = (*self.place.allow_hosts, *([named] if named else []))
        return find(folder, files, self._pictures(folder, here), allowed)

    def named_at(self, here: Path) -> Container[str]:
        """Return the file names of the pictures that the files of captions list."""
        images = (image for file in self._files(here)[1] for image in read_json(file)["images"])
        said = (texts_of(image.get("file_name")) for image in images if isinstance(image, Mapping))
        return {name.rpartition("/")[2] for names in said for name in names}

    def _files(self, here: Path) -> tuple[Path, list[Path]]:
        """Return the folder that names are relative to, and the files of captions."""
        if here.is_file():
            return here.parent, [here]
        files = [here / self.annotations] if self.annotations else caption_files(here)
        if not files or not all(path.is_file() for path in files):
            raise DataError(
                f"{here} has no {self.annotations or PATTERN}, nor one in its folder annotations. Name the file: source: "
                "{name: coco, path: FOLDER, annotations: FILE}."
            )
        return here, files

    def _pictures(self, folder: Path, here: Path) -> Path | AtUrls | None:
        """Return where source.images says that pictures are; at URLs of their own where a .json is all that lies elsewhere."""
        if self.images is not None and REMOTE.match(self.images):
            return AtUrls(self.images, self.place.fetcher)
        if self.images is not None:
            return existing(str(folder / self.images), "the folder of the pictures")
        return AtUrls(None, self.place.fetcher) if self.place.urls is not None and here.is_file() else None


def caption_files(folder: Path) -> list[Path]:
    """Return the files of captions that a folder has where COCO puts them, sorted."""
    return sorted(path for below in FOLDERS for path in (folder / below).glob(PATTERN) if path.is_file())


def find(
    folder: Path, files: Sequence[Path], images: Path | AtUrls | None = None, allow_hosts: Sequence[str] = ()
) -> Found:
    """Return the pictures of all files, with their captions.

    Args:
        images: the folder of the pictures, or the URLs they lie at; found by their names if not given.
        allow_hosts: hosts of this network, and buckets, that may be asked for pictures.

    Raises DataError for a file that is no JSON, lists no pictures, or has no caption at all.
    """
    pictures: dict[str, Own] = {}
    rejects: list[Reject] = []
    wordless: list[str] = []
    boxes: dict[str, list[str]] = {}
    for file in files:
        said = read_json(file)
        where = (
            images
            if isinstance(images, AtUrls)
            else InFolder(images or folder_of(folder, file, said["images"]), folder)
        )
        for one in _of_file(file, said, where, wordless, boxes):
            if isinstance(one, Reject):
                rejects.append(one)
            elif one.name in pictures:
                rejects.append(_reject(file, one.name, "duplicate_key", "an image before it has the same file"))
            else:
                pictures[one.name] = one
    return Found(
        pictures=tuple(pictures.values()), rejects=tuple(rejects), left_out={"annotations without a caption": wordless, **boxes},
        no_labels="no annotation names a category", fetched=images.fetched(allow_hosts) if isinstance(images, AtUrls) else None,
    )  # fmt: skip


def read_json(path: Path) -> dict[str, Any]:
    """Return what a file holds. DataError unless it is JSON with lists `images` and `annotations`, one with a caption."""
    said = read_lists(path)
    if not any(isinstance(one, Mapping) and "caption" in one for one in said["annotations"]):
        raise DataError(f"none of the annotations of {path} has a caption. Give captions_*.json, not instances_*.json.")
    return said


def read_lists(path: Path) -> dict[str, Any]:
    """Return what a file holds. DataError unless it is JSON with lists `images` and `annotations`."""
    if path.stat().st_size > MAX_JSON_BYTES:
        raise DataError(f"{path} has {path.stat().st_size:,} bytes; at most {MAX_JSON_BYTES:,} are read. Split it.")
    try:
        said = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as err:
        raise DataError(f"{path} is no JSON in UTF-8 ({err}). Fetch or write it again.") from err
    lists = [said.get(name) for name in ("images", "annotations")] if isinstance(said, Mapping) else []
    if not lists or not all(isinstance(one, list) for one in lists):
        raise DataError(
            f"{path} has no lists `images` and `annotations`, so it is no file of captions as COCO writes it."
        )
    return dict(said)


def folder_of(folder: Path, file: Path, images: Sequence[Any]) -> Path:
    """Return the folder in which most of the first pictures lie, of those where COCO puts them."""
    part = file.stem.removeprefix("captions_")  # captions_train2017.json speaks of train2017/
    places = [folder / below for below in (part, f"images/{part}", "images", ".")] + [file.parent]
    names = [name for one in images[:_LOOKED_AT] if isinstance(one, Mapping) and (name := one.get("file_name"))]
    return max(places, key=lambda place: sum((place / str(name)).is_file() for name in names))


def spdx_of(licence: Mapping[str, Any]) -> str | None:
    """Return the SPDX identifier of a Creative Commons licence by its URL; None for another."""
    url = str(licence.get("url", "")).lower()
    if found := _CREATIVE.search(url):
        return f"CC-{found[1].upper()}-{found[2]}"
    return f"CC0-{found[1]}" if (found := _ZERO.search(url)) else None


def _of_file(
    file: Path, said: Mapping[str, Any], pictures: Pictures, wordless: list[str], left_out: dict[str, list[str]]
) -> Iterator[Own | Reject]:
    """Yield the pictures and rejects of one file; `wordless` and `left_out` grow."""
    licences = {one.get("id"): spdx_of(one) for one in said.get("licenses") or () if isinstance(one, Mapping)}
    kinds = {one.get("id"): one.get("name") for one in said.get("categories") or () if isinstance(one, Mapping)}
    images: dict[Any, Mapping[str, Any]] = {}
    for place, image in enumerate(said["images"]):
        if not isinstance(image, Mapping) or _no_id(image.get("id")) or not texts_of(image.get("file_name")):
            yield _reject(file, f"image {place}", "no_picture", "it does not say both id and file_name")
        elif image["id"] in images:
            yield _reject(file, f"image {place}", "duplicate_key", f"another image has the id {image['id']!r}")
        else:
            images[image["id"]] = image
    captions: dict[Any, list[str]] = {key: [] for key in images}
    expressions: dict[Any, list[str]] = {key: [] for key in images}  # of boxes, the picture's own where it has no other
    labels: dict[Any, set[str]] = {key: set() for key in images}
    for place, annotation in enumerate(said["annotations"]):
        about = annotation if isinstance(annotation, Mapping) else {}
        which = about.get("image_id")
        if _no_id(which) or which not in images:
            detail = f"its image_id is {which!r}, which no image has"
            yield _reject(file, f"annotation {place}", "unknown_picture", detail)
            continue
        (expressions if "bbox" in about else captions)[which].extend(texts_of(about.get("caption")))
        if not texts_of(about.get("caption")) and not about.keys() & {"category_id", "bbox"}:
            wordless.append(f"annotation {place} of {file.name}")
        if not _no_id(about.get("category_id")) and kinds.get(about["category_id"]):
            labels[which].add(str(kinds[about["category_id"]]))
    boxes = _boxes(file, said, images)
    yield from boxes.rejects
    for what, names in boxes.left_out.items():
        left_out.setdefault(what, []).extend(names)
    for key, image in images.items():
        there = pictures.of(image)
        if len(there) == 3:
            yield _reject(file, *there)
            continue
        shown, path = there
        texts = tuple(dict.fromkeys(captions[key] or expressions[key]))
        licence = None if _no_id(image.get("license")) else licences.get(image["license"])
        label = next(iter(labels[key])) if len(labels[key]) == 1 else None  # several kinds in a picture are no label
        yield Own(
            name=shown, path=path, texts=texts, label=label, licence=licence, regions=tuple(boxes.regions.get(key, ())),
        )  # fmt: skip


def _boxes(file: Path, said: Mapping[str, Any], images: Mapping[Any, Mapping[str, Any]]) -> Boxes:
    """Return the boxes of the pictures of a file: its own, and those of the file of instances beside it."""
    boxes = Boxes()
    find_boxes(file, said, images, True, boxes)
    if (beside := boxes_beside(file)) is not None:
        find_boxes(beside, read_lists(beside), images, False, boxes)
    return boxes


def _no_id(value: object) -> bool:
    return not isinstance(value, int | str)


def _reject(file: Path, key: str, reason: str, detail: str) -> Reject:
    return Reject(key=f"{file.name}, {key}", member=file.name, reason=reason, detail=detail)
