"""A table with a row a picture and caption: csv, tsv, jsonl or parquet, pictures by their paths relative to it, or by URLs.

Rows of one picture become one sample with several captions. `captions.csv` with `image,caption` needs no settings.
"""

import os
import posixpath
import re
import stat
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from components.contracts.errors import ConfigError, DataError
from components.contracts.reject import Reject
from components.data.remote.addresses import REMOTE, name_of
from components.data.remote.s3 import bucket_and_key
from components.data.sources.caption_kinds import captions_of, column_of
from components.data.sources.columns import FLAGS, recognise
from components.data.sources.fetched import Fetched
from components.data.sources.files import PICTURES, files_below
from components.data.sources.found import Found, Own
from components.data.sources.own_source import OwnSource
from components.data.sources.rows import TABLE_NAMES, TABLES, column_names, is_table, read_rows, table_in, texts_of
from components.data.sources.settings import NOT_STATED

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_SINGLE = ("label", "group", "licence", "key")  # what rows of one picture have to agree in


class PairTable(OwnSource):
    """Pictures and captions that a table names.

    Args:
        path: the table, or the folder in which `captions` or `metadata` is one.
        url: in its place, where they lie: s3:// of a folder, or the URL of a table; see docs/elsewhere.md.
        version: of what lies there, as source.json and `diptych run --data` say it; what is another one is refused.
        allow_hosts: hosts of this network that may be asked, as host:port, and buckets, as s3://bucket, that rows may name.
        table: name of the table in that folder, where it is called otherwise.
        columns: what a column says -> its name, of image, caption, kind, alt, long, label, group, licence, lang, key, consent,
            health; the rest is recognised by its name.
        languages: codes of the languages that captions are in, such as [en, de]; without, a caption's is not stated.
        licence: SPDX identifier of the pictures whose row states none.
    """

    name, what = "table", "a table, or of the folder it lies in"
    suffixes = (*TABLES, *PICTURES)

    def __init__(
        self,
        path: str = "data/own",
        url: str | Sequence[str] | None = None,
        version: str | None = None,
        allow_hosts: Sequence[str] | None = None,
        table: str | None = None,
        columns: Mapping[str, str] | None = None,
        languages: Sequence[str] | None = None,
        licence: str = NOT_STATED,
    ) -> None:
        if columns is not None and not (
            isinstance(columns, Mapping) and all(isinstance(name, str) for pair in columns.items() for name in pair)
        ):
            raise ConfigError(
                f"source.columns is {columns!r}. Give what each column says: {{image: file, caption: text}}."
            )
        super().__init__(path, url, version, allow_hosts, languages, licence)
        self.table, self.columns = table, dict(columns or {})

    def find(self, here: Path) -> Found:
        """Return the pictures that a table names. DataError when it has none.

        When they are read, TransientError when no URL answers, as when the network is down.
        """
        if here.is_dir():
            return find(self._table(here), self.columns, here, self.place.allow_hosts)
        beside = self.place.folder_url
        bucket = [f"s3://{bucket_and_key(beside)[0]}"] if beside and beside.lower().startswith("s3://") else []
        return find(self._table(here), self.columns, None, (*self.place.allow_hosts, *bucket), beside)

    def named_at(self, here: Path) -> Container[str]:
        """Return the file names of the pictures that rows name."""
        table = self._table(here)
        column = recognise(column_names(table), self.columns, table.name)["image"]
        cells = (row.get(column) for _, row in read_rows(table))
        texts = (texts_of(cell) for cell in cells if not isinstance(cell, (bytes, Mapping)))
        return {posixpath.basename(_tidied(name)) for names in texts for name in names}

    def _table(self, path: Path) -> Path:
        if path.is_dir():
            table = path / self.table if self.table else table_in(path)
            if table is None or not table.is_file():
                wanted = self.table or " or ".join(TABLE_NAMES) + f" ({', '.join(TABLES)})"
                raise DataError(
                    f"{path} has no table {wanted}. Write one with the columns image,caption, or say source.table in params.yaml."
                )
        else:
            table = path
        if not is_table(table):
            raise DataError(f"{table} is no table. Give one of {', '.join(TABLES)}.")
        return table


def find(
    table: Path,
    columns: Mapping[str, str],
    watched: Path | None = None,
    allow_hosts: Sequence[str] = (),
    beside: str = "",
) -> Found:
    """Return the pictures that the table names.

    Args:
        columns: what a column says -> its name; the rest is recognised.
        watched: folder whose pictures are counted when no row names them.
        allow_hosts: hosts of this network, and buckets, that rows may name.
        beside: URL of the folder that paths are relative to, where the table alone was fetched from there.

    Raises DataError for a table without rows, and a path that leads out of the table's folder to anything but a picture
    of one's own; ConfigError for columns that are not there or not recognised.
    """
    role = recognise(column_names(table), columns, table.name)
    rows: dict[str, dict[str, Any]] = {}
    nameless, disagreeing = list[Reject](), list[str]()
    for where, row in read_rows(table):
        names = texts_of(_cell(row, role["image"], where, table))
        captions = captions_of(row, role)
        if not names:
            said_there = f", which says {next(iter(captions))!r}" if captions else ""
            nameless.append(
                Reject(
                    key=f"{table.name}, {where}", member=table.name, reason="no_picture",
                    detail=f"the column {role['image']!r} of the row is empty{said_there}",
                )
            )  # fmt: skip
            continue
        said = {one: next(iter(texts_of(row.get(role[one]))), None) for one in _SINGLE if one in role}
        lang = next(iter(texts_of(row.get(role["lang"]))), None) if "lang" in role else None
        for name in (_placed(_tidied(name), beside) for name in names):
            picture = rows.setdefault(
                name, {"where": where, "captions": {}, "flags": {one: {} for one in FLAGS if one in role}, **said}
            )
            if any(value and picture[one] and picture[one] != value for one, value in said.items()):
                disagreeing.append(f"{where} ({name})")
            for one in picture["flags"]:
                picture["flags"][one].update(dict.fromkeys(texts_of(row.get(role[one])) or ("",)))
            picture.update({one: value for one, value in said.items() if picture[one] is None})
            for text, kind in captions.items():
                picture["captions"].setdefault(text, (kind, lang))
    if not rows:
        raise DataError(
            f"{table} has no row with a picture. Write a row a picture: `{role['image']},{column_of(role)}`."
        )
    fetched = Fetched([name for name in rows if REMOTE.match(name)], len(rows), allow_hosts)
    found = [_own(table, name, picture, fetched) for name, picture in rows.items()]
    wordless = (
        f"no row of {table} has a caption in the column {column_of(role)!r}, so there is nothing to learn. Write the "
        "captions there, or name another column: source: {columns: {caption: COLUMN}}."
    )
    left_out: dict[str, Sequence[str]] = {
        "rows that say otherwise than the first of their picture": disagreeing,
    }
    if watched is not None:
        named = {own.path.resolve() for own in found if own.path is not None}
        left_out["pictures that no row names"] = [
            name
            for name, path in files_below(watched)[0]
            if Path(name).suffix.lower() in PICTURES and path.resolve() not in named
        ]
    why = "the table has no column for labels" if "label" not in role else f"the column {role['label']!r} is empty"
    return Found(
        pictures=tuple(found), rejects=tuple(nameless), left_out=left_out, no_labels=why,
        wordless="" if any(own.texts for own in found) else wordless,
        fetched=fetched if fetched.urls else None,
    )  # fmt: skip


def _tidied(name: str) -> str:
    """Return one spelling of a path: without ./, and with the slashes of this system; of a URL without its fragment."""
    if _URL.match(name):
        return name.partition("#")[0] if not name.lower().startswith("s3:") else name  # what follows is the browser's
    return posixpath.normpath(name.replace("\\", "/"))


def _placed(name: str, beside: str) -> str:
    """Return a path as a URL where its folder has one; one that leads out of the folder stays, and nothing is found there."""
    if not beside or _URL.match(name) or name.startswith(("/", "../")):
        return name
    return f"{beside}/{name if beside.lower().startswith('s3:') else quote(name)}"


def _cell(row: Mapping[str, Any], column: str, where: str, table: Path) -> Any:
    value = row.get(column)
    if isinstance(value, (bytes, Mapping)):
        raise DataError(
            f"{table}, {where}: the column {column!r} holds pictures themselves, and paths are wanted. Write each picture to a "
            "file, and its path into the table."
        )
    return value


def _own(table: Path, name: str, picture: Mapping[str, Any], fetched: Fetched) -> Own:
    remote = REMOTE.match(name)
    path = fetched.path_of(name) if remote else _picture_path(table, name, picture["where"])
    return Own(
        name=name_of(name) if remote else name, path=path, texts=tuple(picture["captions"]),
        kinds=tuple(kind for kind, _ in picture["captions"].values()), langs=tuple(lang for _, lang in picture["captions"].values()),
        label=picture.get("label"), group=picture.get("group"), licence=picture.get("licence"), key=picture.get("key"),
        flags={one: tuple(words) for one, words in picture["flags"].items()},
    )  # fmt: skip


def _picture_path(table: Path, name: str, where: str) -> Path | None:
    """Return where a row's picture is, None when nothing is there.

    A table may come from anybody, so what it can name outside its folder is little: a regular file that belongs to who
    runs this, and is called a picture.
    """
    if _URL.match(name):
        raise DataError(
            f"{table}, {where}: {name} is a URL of a kind that is not fetched; http, https and s3 are. Download the pictures "
            "into the table's folder, and write their paths into the table."
        )
    folder = table.resolve().parent
    try:
        path = (folder / name).resolve()
        about = path.stat()
    except (OSError, RuntimeError, ValueError):  # not there, a link in a circle, a name that no file can have
        return None
    if path.is_relative_to(folder):
        return path
    if stat.S_ISREG(about.st_mode) and about.st_uid == os.geteuid() and path.suffix.lower() in PICTURES:
        return path
    raise DataError(
        f"{table}, {where}: {name} leads out of the table's folder to {path}, which is no picture file of yours. A table must "
        "not bring in what it happens to find on this machine. Copy or link the folder of pictures beside the table."
    )
