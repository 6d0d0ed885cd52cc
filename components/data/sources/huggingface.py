"""Folders of Hugging Face `datasets`: what save_to_disk writes (Arrow), and what the Hub holds (Parquet), pictures in the rows.

Source: huggingface.co/docs/datasets, Image feature: a struct of `bytes` and `path`; features stand in the schema's metadata. Read
by pyarrow alone; no script of a dataset is run, and a row that holds a path in place of bytes is a Reject.
Splits of the folder are read as one: what is held out follows from the seed, as with every data of one's own.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import Progress
from components.contracts.reject import Reject
from components.data.shards import MAX_PICTURE_BYTES
from components.data.sources.arrow import ARROW, PARQUET, read_rows, schema_of
from components.data.sources.by_shard import ShardEnds, by_shard
from components.data.sources.caption_kinds import captions_of
from components.data.sources.columns import FLAGS, recognise
from components.data.sources.files import PICTURES, files_below, suffix_of
from components.data.sources.own_source import OwnSource
from components.data.sources.record import Record
from components.data.sources.rows import texts_of
from components.data.sources.settings import NOT_STATED

STATE, PARTS = "state.json", "dataset_dict.json"  # of one split, and of several, as save_to_disk writes them
_PLAIN = re.compile(r"[^/\\]*[^/\\.][^/\\]*")  # a name in this folder


class HuggingFaceFolder(OwnSource):
    """Pictures and captions in the rows of a dataset on disk.

    Args:
        path: the folder that save_to_disk wrote, or one with .parquet files as the Hub holds them.
        url: in its place, where they lie: s3:// of a folder, or URLs of .parquet or .arrow files; see docs/elsewhere.md.
        version: of what lies there, as source.json and `diptych run --data` say it; what is another one is refused.
        allow_hosts: hosts of this network that may be asked, as host:port.
        columns: what a column says -> its name, of image, caption, kind, alt, long, label, group, licence, lang, key, consent, health; the rest is
            recognised, the picture by its feature, the others by their names.
        languages: codes of the languages that captions are in, such as [en, de]; without, a caption's is not stated.
        licence: SPDX identifier of the pictures whose row states none.
    """

    name, what = "huggingface", "a folder that save_to_disk wrote, or one of .parquet files"
    suffixes = (ARROW, PARQUET, STATE, PARTS)

    def __init__(
        self,
        path: str = "data/own",
        url: str | Sequence[str] | None = None,
        version: str | None = None,
        allow_hosts: Sequence[str] | None = None,
        columns: Mapping[str, str] | None = None,
        languages: Sequence[str] | None = None,
        licence: str = NOT_STATED,
    ) -> None:
        super().__init__(path, url, version, allow_hosts, languages, licence)
        self.columns = dict(columns or {})

    def wants(self, name: str) -> bool:
        """Return whether a file is one of rows, or names those that are."""
        return name.lower().endswith(self.suffixes)

    def find(self, here: Path) -> "Rows":
        """Return the rows of a dataset."""
        return Rows(here, self.columns)


class Rows:
    """The records of such a folder. DataError when it is none, ConfigError for columns that are not recognised."""

    no_labels = "no row has a label"
    wordless = ""

    def __init__(self, folder: Path, columns: Mapping[str, str]) -> None:
        self.folder, self.columns = folder, columns
        self.files = data_files(folder)
        if not self.files:
            raise DataError(
                f"{folder} holds no dataset: it has neither {PARTS} nor {STATE}, which save_to_disk writes, nor {PARQUET} files. "
                "Give the folder that was given to save_to_disk, or the one that was fetched from the Hub."
            )
        self._unread: dict[str, None] = {}

    @property
    def left_out(self) -> Mapping[str, Sequence[str]]:
        """What belongs to no record -> its names, of the last reading."""
        return {"columns that nothing reads": sorted(self._unread)}

    def read(self, progress: Progress) -> Iterator[Record | Reject]:
        """Yield the record of each row, in the order of the files."""
        self._unread = {}
        return by_shard(self.files, self._records, progress)

    def forget(self) -> None:
        """Rows hold their pictures; nothing was fetched to read them."""

    def _records(self, name: str, path: Path) -> Iterator[Record | Reject]:
        schema = schema_of(path)
        role = roles(schema, self.columns, name)
        classes = class_names(schema)
        names = {what: classes[column] for what, column in role.items() if column in classes}
        self._unread.update(dict.fromkeys(column for column in schema.names if column not in role.values()))
        for place, row in read_rows(path, list(role.values())):
            yield record_of(f"{name}/{place:06d}", {what: row[column] for what, column in role.items()}, names)


def data_files(folder: Path) -> list[tuple[str, Path]]:
    """Return (name below the folder, path) of the files of all splits, in order. DataError for a state that cannot be read."""
    if (folder / PARTS).is_file():
        splits = _listed(folder / PARTS, "splits")
        return [
            (f"{split}/{name}", path) for split in splits for name, path in _of_state(folder / _plain(folder, split))
        ]
    if (folder / STATE).is_file():
        return _of_state(folder)
    if not folder.is_dir():
        return [(folder.name, folder)] if folder.suffix.lower() in (ARROW, PARQUET) else []
    return [(name, path) for name, path in files_below(folder)[0] if path.suffix.lower() in (ARROW, PARQUET)]


def is_dataset(path: Path) -> bool:
    """Return whether a folder was written by save_to_disk, or a file, or a folder's first one, holds pictures in its rows."""
    if path.is_dir() and ((path / PARTS).is_file() or (path / STATE).is_file()):
        return True
    files = data_files(path)
    try:
        return bool(files) and any(is_picture(field.type) for field in schema_of(files[0][1]))
    except (ShardEnds, OSError):
        return False


def roles(schema: pa.Schema, said: Mapping[str, str], name: str) -> dict[str, str]:
    """Return role -> column. ConfigError when the picture's column, or another that is needed, is not to be recognised."""
    twice = sorted({column for column in schema.names if schema.names.count(column) > 1})
    if twice:
        raise ConfigError(
            f"{name} has the column {twice[0]!r} twice, so nobody knows which is meant. Rename one of them."
        )
    pictures = [field.name for field in schema if is_picture(field.type)]
    if "image" not in said and len(pictures) != 1:
        why = f"several hold pictures ({', '.join(pictures)})" if pictures else "none holds pictures with their bytes"
        raise ConfigError(
            f"which column of {name} is the picture? Of {', '.join(schema.names) or 'none'}, {why}. Say so in params.yaml: "
            "source: {columns: {image: COLUMN}}."
        )
    return recognise(schema.names, {**({"image": pictures[0]} if len(pictures) == 1 else {}), **said}, name)


def is_picture(kind: pa.DataType) -> bool:
    """Return whether a column is one of pictures as `datasets` keeps them: a struct of bytes and path."""
    if not pa.types.is_struct(kind):
        return False
    parts = {kind.field(place).name: kind.field(place).type for place in range(kind.num_fields)}
    return set(parts) == {"bytes", "path"} and (
        pa.types.is_binary(parts["bytes"]) or pa.types.is_large_binary(parts["bytes"])
    )


def class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Return column -> the names of its classes, where the schema's metadata say that numbers stand for them."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        found = {column: _names(its) for column, its in features.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):  # written by another tool
        return {}
    return {column: names for column, names in found.items() if names}


def _names(feature: Any) -> list[str]:
    """Return the names of a feature's classes, also of a list of such; none of another."""
    if isinstance(feature, list):  # as older versions write a list of one kind
        feature = {"feature": feature[0]} if len(feature) == 1 else {}
    if not isinstance(feature, Mapping):
        return []
    if isinstance(names := feature.get("names"), list):
        return [str(one) for one in names]
    return _names(feature.get("feature"))


def record_of(name: str, row: Mapping[str, Any], names: Mapping[str, Sequence[str]]) -> Record | Reject:
    """Return the record of one row, a mapping of roles, or why it is none.

    Args:
        name: of the row.
        row: role -> what the cell holds.
        names: role -> the names that its numbers stand for, where they stand for some.
    """
    row = {what: _called(value, names[what]) if what in names else value for what, value in row.items()}
    held = row["image"]
    data = held.get("bytes") if isinstance(held, Mapping) else held
    path = str(held.get("path") or "") if isinstance(held, Mapping) else ""
    if not isinstance(data, bytes):
        detail = f"the row names the file {path!r} and does not hold its bytes" if path else "the row has no picture"
        return Reject(key=name, member=name, reason="no_picture", detail=detail)
    if not data:
        return Reject(key=name, member=name, reason="zero_bytes", detail="the picture has no bytes")
    if len(data) > MAX_PICTURE_BYTES:
        detail = f"{len(data):,} bytes; at most {MAX_PICTURE_BYTES:,} are read"
        return Reject(key=name, member=name, reason="no_picture", detail=detail)
    suffix = next((one for one in PICTURES if path.lower().endswith(one)), suffix_of(data))
    captions = captions_of(row, {one: one for one in row})
    said = {what: next(iter(texts_of(row.get(what))), None) for what in ("group", "licence", "lang", "key")}
    return Record(
        name=name + suffix, data=data, texts=tuple(captions), kinds=tuple(captions.values()), langs=(said["lang"],) * len(captions),
        label=next(iter(texts_of(row.get("label"))), None), group=said["group"], licence=said["licence"], key=said["key"],
        flags={one: tuple(texts_of(row[one])) or ("",) for one in FLAGS if one in row},
    )  # fmt: skip


def _called(value: Any, names: Sequence[str]) -> Any:
    """Return the name of a class's number, each of a list of such; None of a number without one, as -1 is."""
    if isinstance(value, list):
        return [_called(one, names) for one in value]
    if isinstance(value, int):
        return names[value] if 0 <= value < len(names) else None
    return value


def _of_state(folder: Path) -> list[tuple[str, Path]]:
    files = _listed(folder / STATE, "_data_files")
    names = [one.get("filename") if isinstance(one, Mapping) else one for one in files]
    return [(str(name), folder / _plain(folder, name)) for name in names]


def _listed(path: Path, what: str) -> list[Any]:
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))[what]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as err:
        raise DataError(
            f"{path} does not say {what} ({err!r}), so it is none that save_to_disk wrote. Save it again."
        ) from err
    if not isinstance(listed, list):
        raise DataError(f"{path} has {what} as {type(listed).__name__}, and a list is wanted. Save the dataset again.")
    return listed


def _plain(folder: Path, name: object) -> str:
    """Return a name that stays in its folder; DataError for another."""
    if not isinstance(name, str) or not _PLAIN.fullmatch(name):
        raise DataError(
            f"{folder} names the file {name!r}, which leads out of it. Save the dataset again, or ask its maker."
        )
    return name
