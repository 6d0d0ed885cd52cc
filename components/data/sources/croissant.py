"""Data that a Croissant description says how to read: pictures in files or tars, or named by a table, and captions in tables.

Source: MLCommons Croissant 1.0 and 1.1. Differs: files lie here, beside the description; the picture's source and each caption's are the
same, or joined by one of the `references` between their fields; zips, JSON files and records within the description are not read.
"""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import Progress
from components.contracts.reject import Reject
from components.contracts.sealed import sha256_of
from components.data.shards import MAX_PICTURE_BYTES
from components.data.sources.caption_kinds import captions_of
from components.data.sources.coco_pictures import InFolder
from components.data.sources.columns import FLAGS, recognise
from components.data.sources.croissant_fields import Field, Taken, each, fields_of, id_of, links, read_description
from components.data.sources.files import bytes_of, files_below
from components.data.sources.own_source import OwnSource
from components.data.sources.record import Record
from components.data.sources.rows import column_names, is_table, read_rows, texts_of
from components.data.sources.settings import NOT_STATED
from components.data.sources.tar import Member, read_tar

FILES = ("croissant.json", "metadata.json")  # as such a description is called in a folder
_SINGLE = ("label", "group", "licence", "lang", "key")
File = tuple[str, str, bytes | str]  # where it is shown, its path in its set, and its bytes or why there are none


class CroissantSource(OwnSource):
    """Pictures and captions of a description in JSON-LD, whose files lie beside it.

    Args:
        path: the description, or the folder in which it is called croissant.json or metadata.json.
        columns: what a field says -> its name, or `set/name`, of image, caption, kind, alt, long, label, group, licence, lang, key, consent, health;
            the rest is recognised, the picture by its type, the others by their names.
        languages: codes of the languages that captions are in, such as [en, de]; without, a caption's is not stated.
        licence: SPDX identifier of the pictures for which no field states one.
    """

    name, what = "croissant", f"a Croissant description, or of the folder with {' or '.join(FILES)}"
    suffixes = (".json",)

    def __init__(
        self,
        path: str = "data/own",
        columns: Mapping[str, str] | None = None,
        languages: Sequence[str] | None = None,
        licence: str = NOT_STATED,
    ) -> None:
        if columns is not None and not isinstance(columns, Mapping):
            raise ConfigError(f"source.columns is {columns!r}. Give what each field says, such as {{caption: spoken}}.")
        super().__init__(path, None, None, None, languages, licence)
        self.columns = dict(columns or {})

    def find(self, here: Path) -> "Described":
        """Return the records that the description tells of."""
        files = [here / name for name in FILES if (here / name).is_file()] if here.is_dir() else [here]
        if not files:
            raise DataError(f"{here} has no {' or '.join(FILES)}. Give the path of the description itself.")
        return Described(files[0], self.columns)


class Described:
    """Records of a description. DataError for files that are not there or are others, ConfigError for fields that are not recognised."""

    wordless = ""

    def __init__(self, path: Path, columns: Mapping[str, str]) -> None:
        self.path, said = path, read_description(path)
        self.nodes = {id_of(node): node for node in each(said, "distribution")}
        self.fields = fields_of(said)
        pictures = [name for name, field in self.fields.items() if field.picture]
        known = {**({"image": pictures[0]} if len(pictures) == 1 else {}), **columns}
        self.role = recognise(list(self.fields), known, path.name)
        self.no_labels = "no field says what a picture shows"
        self.left_out: dict[str, Sequence[str]] = {}

    def forget(self) -> None:
        """Nothing was fetched to read them."""

    def read(self, progress: Progress) -> Iterator[Record | Reject]:
        """Yield the record of each picture; captions are held in memory, and one picture."""
        image = self.fields[self.role["image"]].taken
        said = {role: self._said(image, role, self.fields[name]) for role, name in self.role.items() if role != "image"}
        marks = self._marks(image, said)
        seen: set[str] = set()
        names: set[str] = set()
        for name, row, data in self._pictures(image):
            if isinstance(row, str):
                yield Reject(key=name, member=name, reason=row, detail=str(data))
                continue
            words = {role: _words(left, row, known) for role, (left, known) in said.items()}
            key = next(iter(words.get("key", ())), None)
            if name in names or key in seen:
                detail = f"a picture before it has the same {'file' if name in names else 'key'}"
                yield Reject(key=name, member=name, reason="duplicate_key", detail=detail)
                continue
            names.add(name)
            seen |= set() if key is None else {key}
            if not data or isinstance(data, str):
                reason = "no_picture" if data else "zero_bytes"
                yield Reject(key=name, member=name, reason=reason, detail=str(data or "the file is empty"))
                continue
            one = {role: next(iter(words.get(role, ())), None) for role in _SINGLE}
            captions = captions_of(words, {one: one for one in words}, tuple)
            yield Record(
                name=name, data=data, texts=tuple(captions), kinds=tuple(captions.values()), langs=(one["lang"],) * len(captions),
                label=one["label"], group=one["group"], licence=one["licence"], key=key,
                flags=marks.get(name) or _flags(said, row),
            )  # fmt: skip
            progress("read pictures", len(names), len(names))

    def _marks(
        self, image: Taken, said: Mapping[str, tuple[Taken, Mapping[Any, list[str]] | None]]
    ) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
        """Return name -> flags of pictures that a table names, by all rows that do, also those that are refused as a second one."""
        marks: dict[str, dict[str, tuple[str, ...]]] = {}
        for name, row, _ in self._named(image) if image.column and not said.keys().isdisjoint(FLAGS) else ():
            if not isinstance(row, str):
                before = marks.get(name, {})
                marks[name] = {
                    one: tuple(dict.fromkeys((*before.get(one, ()), *words)))
                    for one, words in _flags(said, row).items()
                }
        return marks

    def _said(self, image: Taken, role: str, field: Field) -> tuple[Taken, Mapping[Any, list[str]] | None]:
        """Return how a picture's row tells its value; of another source, the value that is equal there, and all by it."""
        if field.taken.source == image.source:
            return field.taken, None
        for left, right in links(self.fields, image.source, field.taken.source):
            known: dict[Any, list[str]] = {}
            for _, row in self._rows(field.taken.source, right.column, field.taken.column):
                for value in texts_of(right.value(row.get(right.column))):
                    words = texts_of(field.taken.value(row.get(field.taken.column)))
                    known.setdefault(value, []).extend(words or (("",) if role in FLAGS else ()))
            return left, known
        raise ConfigError(
            f"{self.path}: the field {field.name!r} lies in {field.taken.source!r} and the picture in {image.source!r}, and no field's "
            "`references` say which belong together. Add one to the description, or name other fields in source.columns."
        )

    def _rows(self, source: str, *columns: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        path = self._path(source)
        if not is_table(path):
            raise ConfigError(
                f"{path} is no table that is read: .csv, .tsv, .jsonl, .parquet. Write it as one of these."
            )
        names = column_names(path)
        if lacking := [name for name in columns if name not in names]:
            raise DataError(
                f"{self.path} speaks of the column {lacking[0]!r} of {path.name}, which has only {', '.join(names)}. Mend the description."
            )
        return read_rows(path)

    def _path(self, source: str) -> Path:
        """Return the file of a FileObject; DataError where it is not here, leads out of the folder, or has another sha256."""
        node = self.nodes.get(source, {})
        name = str(node.get("contentUrl") or "").removeprefix("file://")
        there = InFolder(self.path.parent, self.path.parent).of({"file_name": name}) if name else ("", None)
        if len(there) == 3 or there[1] is None:
            why = there[2] if len(there) == 3 else "there is no such file here"
            raise DataError(
                f"{self.path}: {source!r} is at {name!r}, and {why}. Fetch it, and say its path from the description."
            )
        if (wanted := node.get("sha256")) and sha256_of(there[1]) != wanted:
            raise DataError(
                f"{there[1]} has another sha256 than {self.path.name} says. Fetch both anew, from one version."
            )
        return there[1]

    def _pictures(self, image: Taken) -> Iterator[tuple[str, Mapping[str, Any] | str, bytes | str]]:
        """Yield name, row and bytes of each picture; the reason in place of a row where it is refused."""
        if image.column:
            for name, row, there in self._named(image):
                yield name, row, bytes_of(there) if isinstance(there, Path) else there
            return
        for name, inside, data in self._files(image.source):
            if inside.startswith("!"):
                yield name, inside[1:], data
            else:
                shown = {"fullpath": inside, "filepath": inside, "filename": inside.rpartition("/")[2]}
                yield name, shown, data

    def _named(self, image: Taken) -> Iterator[tuple[str, Mapping[str, Any] | str, Path | str]]:
        """Yield name, row and file of each picture that a table names, or why there is none, as of `_pictures`."""
        folder = InFolder(self.path.parent, self.path.parent)
        for where, row in self._rows(image.source, image.column):
            name = next(iter(texts_of(image.value(row.get(image.column)))), "")
            there = folder.of({"file_name": name}) if name else (where, "no_picture", "the row names none")
            if len(there) == 3:
                yield there
            else:
                yield there[0], row, there[1] or "there is no such file"

    def _files(self, source: str) -> Iterator[File]:
        """Yield the files of a set; `!reason` in place of the path of one that is refused."""
        node = self.nodes.get(source, {})
        inside = [id_of(one) for one in each(node, "containedIn")]
        if not inside:
            for name, path in self._below(node):
                yield name, name, bytes_of(path)
            return
        for archive, path in (pair for one in inside for pair in self._archives(one)):
            if ".tar" not in archive and not archive.endswith(".tgz"):
                raise ConfigError(
                    f"{path} is no tar, and others are not read. Unpack it, and take containedIn out of {source!r}."
                )
            for member in read_tar(path, lambda name: MAX_PICTURE_BYTES if _is_in(node, name) else 0):
                if not isinstance(member, Member):
                    yield f"{archive}/{member.name}", f"!{member.reason}", member.detail
                elif member.data is not None:
                    yield f"{archive}/{member.name}", member.name, member.data

    def _archives(self, source: str) -> list[tuple[str, Path]]:
        node = self.nodes.get(source, {})
        if "includes" in node:
            return self._below(node)
        return [(str(node.get("contentUrl")).removeprefix("file://"), self._path(source))]

    def _below(self, node: Mapping[str, Any]) -> list[tuple[str, Path]]:
        folder = self.path.parent
        real = folder.resolve()
        found = [(name, path) for name, path in files_below(folder)[0] if _is_in(node, name)]
        if out := [name for name, path in found if not path.resolve().is_relative_to(real)]:
            raise DataError(
                f"{folder / out[0]} is a link that leads out of the folder. Copy what it leads to in its place."
            )
        if not found:
            raise DataError(
                f"{folder} has no file as {self.path.name} describes: {node.get('includes')!r}. Fetch them there."
            )
        return found


def _is_in(node: Mapping[str, Any], name: str) -> bool:
    """Return whether a set has a file of that path."""
    return _fits(node.get("includes"), name) and not _fits(node.get("excludes"), name)


def _fits(globs: Any, name: str) -> bool:
    return any(fnmatch(name, str(one)) for one in (globs if isinstance(globs, list) else [globs]) if one)


def _words(left: Taken, row: Mapping[str, Any], known: Mapping[Any, list[str]] | None) -> Sequence[str]:
    values = texts_of(left.value(row.get(left.column or left.of_file)))
    return values if known is None else [word for value in values for word in known.get(value, ())]


def _flags(
    said: Mapping[str, tuple[Taken, Mapping[Any, list[str]] | None]], row: Mapping[str, Any]
) -> dict[str, tuple[str, ...]]:
    """Return what a row says of consent and health, an empty cell too, where the description has fields for it."""
    return {one: tuple(_words(said[one][0], row, said[one][1])) or ("",) for one in FLAGS if one in said}


def is_croissant(path: Path) -> bool:
    """Return whether a file, or one that a folder has, is a description, as far as its first MiB tells."""
    files = [path / name for name in FILES] if path.is_dir() else [path] if path.suffix.lower() == ".json" else []
    for file in files:
        if file.is_file():
            with file.open("rb") as opened:
                first = opened.read(2**20)
            if b"recordSet" in first and b"croissant" in first:
                return True
    return False
