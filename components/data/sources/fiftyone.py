"""A data set in FiftyOne's layout on disk: `metadata.json`, `samples.json`, and the pictures that its samples name.

Source: the export type `fiftyone.types.FiftyOneDataset` of FiftyOne 1.x; read without FiftyOne. Fields are recognised as a table's
columns are. What a person tagged is no word about the picture, and is counted; `diptych data tags` makes a selection of it. Boxes,
masks and the like are told of as fields that nothing reads.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError
from components.contracts.reject import Reject
from components.data.sources.caption_kinds import captions_of
from components.data.sources.coco_pictures import InFolder
from components.data.sources.columns import FLAGS, recognise
from components.data.sources.files import PICTURES
from components.data.sources.found import Found, Own
from components.data.sources.own_source import OwnSource
from components.data.sources.rows import texts_of
from components.data.sources.settings import NOT_STATED
from components.data.versions.fiftyone import KEY, METADATA, SAMPLES, read_samples

FILE, TAGS = "filepath", "tags"
_ITS_OWN = (
    "id",
    TAGS,
    "metadata",
    "created_at",
    "last_modified_at",
)  # of every sample; they say nothing of the picture
_SINGLE = ("label", "group", "licence", "lang", "key")


class FiftyOneFolder(OwnSource):
    """Pictures of a data set on disk, with the captions and the label that its fields hold.

    Args:
        path: the folder that `dataset.export` wrote.
        columns: what a field says -> its name, of caption, kind, alt, long, label, group, licence, lang, key, consent, health; the
            rest is recognised by its name, the label also as the one field that is a Classification. One of those may be the caption, too.
        languages: codes of the languages that captions are in, such as [en, de]; without, a caption's is not stated.
        licence: SPDX identifier of the pictures whose sample states none.
    """

    name, what = "fiftyone", f"a folder with {SAMPLES}, as FiftyOne exports it"
    suffixes = (*PICTURES, ".json")

    def __init__(
        self,
        path: str = "data/own",
        columns: Mapping[str, str] | None = None,
        languages: Sequence[str] | None = None,
        licence: str = NOT_STATED,
    ) -> None:
        if columns is not None and (not isinstance(columns, Mapping) or "image" in columns):
            raise ConfigError(
                f"source.columns is {columns!r}. Give what each field says, such as {{caption: captions}}; the picture's is {FILE}."
            )
        super().__init__(path, None, None, None, languages, licence)
        self.columns = dict(columns or {})

    def find(self, here: Path) -> Found:
        """Return the pictures of the samples. DataError where there are none, ConfigError for fields that are not recognised."""
        return find(here, self.columns)


def is_fiftyone(folder: Path) -> bool:
    """Return whether a folder holds such a data set."""
    return (folder / SAMPLES).is_file() and (folder / METADATA).is_file()


def find(folder: Path, columns: Mapping[str, str]) -> Found:
    """Return the pictures that samples.json lists; see FiftyOneFolder."""
    samples = list(read_samples(folder))
    role = roles(samples, columns)
    places = InFolder(folder, folder)
    pictures: dict[str, Own] = {}
    rejects: list[Reject] = []
    keys: set[str] = set()
    for place, sample in enumerate(samples):
        one = _own(f"sample {place}", sample, role, places)
        if isinstance(one, Own) and (one.name in pictures or one.key in keys):
            same = "file" if one.name in pictures else f"{role['key']} {one.key!r}"
            one = _reject(f"sample {place}", one.name, "duplicate_key", f"a sample before it has the same {same}")
        if isinstance(one, Reject):
            rejects.append(one)
            continue
        pictures[one.name] = one
        if one.key is not None:
            keys.add(one.key)
    names = {name for sample in samples for name in _fields(sample)}
    tagged = [str(sample.get(FILE)) for sample in samples if sample.get(TAGS)]
    return Found(
        pictures=tuple(pictures.values()), rejects=tuple(rejects), no_labels="no field of the samples is a label",
        left_out={
            "fields that nothing reads": sorted(names - set(role.values())),
            "samples whose tags are no words about them (diptych data tags selects by them)": tagged,
        },
    )  # fmt: skip


def roles(samples: Sequence[Mapping[str, Any]], said: Mapping[str, str]) -> dict[str, str]:
    """Return role -> field. ConfigError for a field that is not there, and where the caption's is not recognised."""
    names = list(dict.fromkeys([FILE, *(name for sample in samples for name in _fields(sample))]))
    known = {"image": FILE, **({"key": KEY} if KEY in names else {}), **said}
    found = recognise(names, known, SAMPLES)
    kinds = {name for sample in samples for name, value in sample.items() if _is_classification(value)}
    if "label" not in found and len(kinds) == 1:
        found["label"] = kinds.pop()
    return found


def words_of(value: object) -> Sequence[str]:
    """Return what a field says: a text, each of a list of them, or what a Classification or several are called."""
    if isinstance(value, Mapping):
        several = value.get("classifications")
        return [word for one in several for word in words_of(one)] if isinstance(several, list) else _label(value)
    if isinstance(value, list):
        return texts_of([one for one in value if isinstance(one, str)])
    return texts_of(value)


def _label(value: Mapping[str, Any]) -> Sequence[str]:
    return texts_of(value["label"]) if isinstance(value.get("label"), str) else ()


def _is_classification(value: object) -> bool:
    return isinstance(value, Mapping) and value.get("_cls") == "Classification"


def _fields(sample: Mapping[str, Any]) -> Iterator[str]:
    return (name for name in sample if not name.startswith("_") and name not in (FILE, *_ITS_OWN))


def _own(place: str, sample: Mapping[str, Any], role: Mapping[str, str], places: InFolder) -> Own | Reject:
    file = sample.get(FILE)
    if not isinstance(file, str) or not texts_of(file):
        return _reject(place, place, "no_picture", f"it does not say {FILE}")
    if (kind := sample.get("_media_type", "image")) != "image":
        return _reject(place, file, "no_picture", f"it is of the kind {kind!r}, and only pictures are read")
    there = places.of({"file_name": file.replace("\\", "/")})
    if len(there) == 3:
        return _reject(place, *there)
    captions = captions_of(sample, role, words_of)
    said = {one: next(iter(words_of(sample.get(its))), None) for one, its in role.items() if one in _SINGLE}
    return Own(
        name=there[0], path=there[1], texts=tuple(captions), kinds=tuple(captions.values()), langs=(said.get("lang"),) * len(captions),
        label=said.get("label"), group=said.get("group"), licence=said.get("licence"), key=said.get("key"),
        flags={one: tuple(words_of(sample.get(role[one]))) or ("",) for one in FLAGS if one in role},
    )  # fmt: skip


def _reject(place: str, name: str, reason: str, detail: str) -> Reject:
    return Reject(key=f"{SAMPLES}, {place}", member=name, reason=reason, detail=detail)
