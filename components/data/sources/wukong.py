"""Wukong's tables with pictures beside them: a Chinese text of each picture.

Source: Gu et al. 2022, arXiv:2202.06767. Differs: pictures are not fetched here; they lie beside the tables, each called by the number of its table and
of its row, as whoever fetches them calls it: `000/00041.jpg` is of row 41 of wukong_100m_0.csv, the first being row 0.
Memory: names and texts of all pictures, and one picture.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from components.contracts.errors import DataError
from components.contracts.progress import Progress
from components.contracts.reject import Reject
from components.data.sources.files import PICTURES, bytes_of, files_below
from components.data.sources.own_source import OwnSource
from components.data.sources.record import Record
from components.data.sources.settings import NOT_STATED
from components.data.sources.wukong_rows import BadLine, WukongRow, number_of, read_rows

CHINESE, ALT = "zh", "alt"
_CALLED = re.compile(r"(?:.*/)?(?P<table>[0-9]{3})/(?P<row>[0-9]{5,})\.\w+")
Called = tuple[int, int]
"""The numbers of a table and of a row."""


class WukongSource(OwnSource):
    """Pictures and Chinese texts that Wukong's tables name.

    Args:
        path: a folder with tables, wukong_100m_0.csv to wukong_100m_255.csv, and folders of pictures, 000 to 255; or one table in it.
        licence: SPDX identifier of the pictures. The tables state none: each picture has its own at its address.
    """

    name, what, suffixes = "wukong", "a folder with Wukong's tables and their pictures", (".csv", *PICTURES)

    def __init__(self, path: str = "data/own", licence: str = NOT_STATED) -> None:
        super().__init__(path, None, None, None, [CHINESE], licence)

    def find(self, here: Path) -> "WukongRecords":
        """Return the records of the tables. DataError where there is none."""
        tables = wukong_tables(here) if here.is_dir() else [here]
        if not tables or any(number_of(table) is None for table in tables):
            raise DataError(
                f"{here} has no table of Wukong, which are called wukong_100m_0.csv and so on. Put one beside the folders of pictures, 000 and so on."
            )
        return WukongRecords(folder=here if here.is_dir() else here.parent, tables=tuple(tables))


def wukong_tables(folder: Path) -> list[Path]:
    """Return Wukong's tables in a folder and those below it, in the order of their numbers. DataError for two of one number."""
    found: dict[int, Path] = {}
    for _, path in files_below(folder)[0]:
        if (number := number_of(path)) is not None and found.setdefault(number, path) != path:
            raise DataError(
                f"{found[number]} and {path} are both table {number}, so a picture in {number:03d} would be of either. Keep one."
            )
    return [found[number] for number in sorted(found)]


@dataclass(kw_only=True)
class _Read:
    """What a reading of all tables found."""

    rows: list[tuple[Called, WukongRow]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    again: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class WukongRecords:
    """Records of the tables of a folder, in the order of the rows; see Records.

    Args:
        folder: holds the folders of pictures.
        tables: paths.
    """

    folder: Path
    tables: tuple[Path, ...]
    no_labels: str = "Wukong says of no picture what kind of thing it shows"
    wordless: str = ""

    @property
    def left_out(self) -> Mapping[str, Sequence[str]]:
        """What belongs to no record."""
        named = {called for called, _ in self._read.rows}
        return {
            "rows of a URL and text that stood before": self._read.again,
            "pictures that no row names": [name for called, (name, _) in self._pictures.items() if called not in named],
        }

    def read(self, progress: Progress) -> Iterator[Record | Reject]:
        """Yield lines that are no rows, and then the pictures."""
        yield from self._read.rejects
        for place, (called, row) in enumerate(self._read.rows, 1):
            yield self._record(called, row)
            progress("read pictures", place, len(self._read.rows))

    def forget(self) -> None:
        """Nothing was fetched."""

    def _record(self, called: Called, row: WukongRow) -> Record | Reject:
        key = f"{called[0]:03d}-{called[1]:05d}"
        name, path = self._pictures.get(called, ("", None))
        data = (
            f"no picture {key.replace('-', '/')} lies beside the tables"
            if path is None
            else bytes_of(path) or "the file is empty"
        )
        if isinstance(data, str):
            reason = "zero_bytes" if data == "the file is empty" else "no_picture"
            return Reject(key=key, member=row.url, reason=reason, detail=data)
        texts = (row.caption,) if row.caption.strip() else ()
        return Record(
            name=name, data=data, key=key, texts=texts, langs=(CHINESE,) * len(texts), kinds=(ALT,) * len(texts), group=row.url or None,
        )  # fmt: skip

    @cached_property
    def _pictures(self) -> dict[Called, tuple[str, Path]]:
        found: dict[Called, tuple[str, Path]] = {}
        for name, path in files_below(self.folder)[0]:
            match = _CALLED.fullmatch(name)
            if match and PurePosixPath(name).suffix.lower() in PICTURES:
                found.setdefault((int(match["table"]), int(match["row"])), (name, path))
        return found

    @cached_property
    def _read(self) -> _Read:
        found, seen = _Read(), set[tuple[str, str]]()
        for table in self.tables:
            number = number_of(table)
            assert number is not None, "looked for by it"
            for row in read_rows(table):
                where = f"{table.name}, line {row.line}"
                if isinstance(row, BadLine):
                    found.rejects.append(Reject(key=where, member=table.name, reason=row.reason, detail=row.detail))
                elif (row.url, row.caption) in seen:
                    found.again.append(where)
                else:
                    seen.add((row.url, row.caption))
                    found.rows.append(((number, row.row), row))
        return found
