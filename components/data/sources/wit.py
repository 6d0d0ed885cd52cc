"""WIT's tables with pictures beside them: what pages in many languages say of each picture, its texts by field.

Source: Srinivasan et al. 2021, arXiv:2103.01913. Differs: pictures are not fetched here; they lie beside the tables, in folders or in tars, each called
as the SHA-256 of its URL (`wit_pictures.py`). All rows of one image_url are one sample, so none is in two splits, and what pages say of a
picture are several right texts of it.
Memory: what is said of all pictures, and one picture.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import Progress
from components.contracts.reject import Reject
from components.data.language import UNKNOWN
from components.data.sentences import sentences
from components.data.sources.files import files_below
from components.data.sources.own_source import OwnSource
from components.data.sources.record import Record
from components.data.sources.settings import NOT_STATED
from components.data.sources.wit_pictures import WitPictures, digest_of
from components.data.sources.wit_rows import TSV, BadRow, WitRow, faults_of, is_table, is_wit
from components.data.sources.wit_tables import is_wit_parquet, rows_of

FIELDS = {
    "reference": "caption_reference_description",
    "attribution": "caption_attribution_description",
    "alt": "caption_alt_text_description",
    "page": "context_page_description",
    "section": "context_section_description",
}  # kind of a text -> its column
CAPTIONS = ("reference", "attribution", "alt")
TABLES = (*TSV, ".parquet")
CONTEXT_CHARACTERS = 300  # of a page or a section, in whole sentences


class WitSource(OwnSource):
    """Pictures and texts that WIT's tables name.

    Args:
        path: a folder with tables (.tsv, .tsv.gz, .parquet) and pictures, or one table in such a folder. Of tables of one name beside each other,
            such as `diptych data wit` makes, one is read, by that order of suffixes, and the others are counted.
        fields: whose texts come in, of FIELDS; each is the kind of its texts.
        languages: codes of the languages whose rows come in, such as [en, zh-TW]; rows in others are counted. None takes all.
        most_rows: of one picture; one that more rows show is a flag, a map or an icon rather than what pages are about, and is left out and
            counted. None takes all.
        licence: SPDX identifier of the pictures. WIT's tables state none: each picture has its own at its Wikimedia page.

    Raises ConfigError for fields that WIT has not, languages that are no list, and most_rows below 1.
    """

    name, what, suffixes = "wit", "a folder with WIT's tables and their pictures", (".tsv", ".gz", ".parquet", ".tar")

    def __init__(
        self,
        path: str = "data/own",
        fields: Sequence[str] = CAPTIONS,
        languages: Sequence[str] | None = None,
        most_rows: int | None = None,
        licence: str = NOT_STATED,
    ) -> None:
        if most_rows is not None and most_rows < 1:
            raise ConfigError(
                f"source.most_rows is {most_rows}, but a picture has a row at least. Give 1 or more, or leave it out."
            )
        if isinstance(fields, str) or not fields or not set(fields) <= set(FIELDS) or len(set(fields)) != len(fields):
            raise ConfigError(f"source.fields is {fields!r}. Give some of {', '.join(FIELDS)}, each once.")
        super().__init__(path, None, None, None, None, licence)
        if languages is not None and (isinstance(languages, str) or not languages):
            raise ConfigError(
                f"source.languages is {languages!r}. Give a list of codes as WIT has them, such as [en, zh-TW]."
            )
        self.fields, self.taken = tuple(fields), None if languages is None else frozenset(languages)
        self.most_rows = most_rows

    def find(self, here: Path) -> "WitRecords":
        """Return the records of the tables. DataError where there is none."""
        tables = each_once(tables_in(here)) if here.is_dir() else {here: []}
        if not tables:
            raise DataError(
                f"{here} has no table of WIT (.tsv, .tsv.gz or .parquet with its 17 columns). Put one beside the pictures."
            )
        folder = here if here.is_dir() else here.parent
        return WitRecords(
            folder=folder, tables=tuple(tables), fields=self.fields, languages=self.taken, most_rows=self.most_rows,
            again=tuple(f"{one.name} ({table.name} is read)" for table, others in tables.items() for one in others),
        )  # fmt: skip


def tables_in(folder: Path) -> Iterator[Path]:
    """Yield WIT's tables in a folder, or in those below it, sorted."""
    for _, path in files_below(folder)[0]:
        if (is_table(path) and is_wit(path)) or (path.suffix.lower() == ".parquet" and is_wit_parquet(path)):
            yield path


def each_once(tables: Iterable[Path]) -> dict[Path, list[Path]]:
    """Return table -> others beside it that have its name and another suffix, in the order of the tables.

    They are the same rows: `diptych data wit` makes one of the other. That of lines is read, since it also has those that are no row.
    """
    alike: dict[Path, list[tuple[int, Path]]] = {}
    for table in tables:
        suffix = next(one for one in TABLES if table.name.lower().endswith(one))
        alike.setdefault(table.with_name(table.name[: -len(suffix)]), []).append((TABLES.index(suffix), table))
    return {first: [table for _, table in others] for (_, first), *others in map(sorted, alike.values())}


@dataclass(kw_only=True)
class _Said:
    """What rows say of one picture: text -> its kind and language."""

    url: str
    rows: int = 0
    texts: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(kw_only=True)
class _Gathered:
    """What a reading of all tables found."""

    pictures: dict[str, _Said] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    elsewhere: Counter[str] = field(default_factory=Counter)
    silent: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class WitRecords:
    """Records of the tables of a folder, in the order in which pictures come first; see Records.

    Args:
        folder: holds the pictures.
        tables: paths.
        fields: kinds of text that come in.
        languages: that come in; None for all.
        most_rows: of one picture; None for any number.
        again: tables that are not read, since another beside them has the same rows.
    """

    folder: Path
    tables: tuple[Path, ...]
    fields: tuple[str, ...]
    languages: frozenset[str] | None = None
    most_rows: int | None = None
    again: tuple[str, ...] = ()
    no_labels: str = "WIT says of no picture what kind of thing it shows"

    @property
    def wordless(self) -> str:
        """What to say where no row has a text."""
        if any(said.texts for said in self._gathered.pictures.values()):
            return ""
        return f"no row of {', '.join(path.name for path in self.tables)} has a text in {', '.join(self.fields)}. Name other fields: source: {{fields: [page]}}."

    @property
    def left_out(self) -> Mapping[str, Sequence[str]]:
        """What belongs to no record."""
        gathered, named = self._gathered, set(map(digest_of, self._gathered.pictures))
        return {
            "tables that another beside them has the rows of": self.again,
            "rows in other languages": [f"{code} {count:,}" for code, count in sorted(gathered.elsewhere.items())],
            "rows that say nothing of their picture": gathered.silent,
            "pictures in too many rows": [said.url for said in gathered.pictures.values() if self._is_generic(said)],
            "pictures that no row names": [name for name in self._pictures.names if name not in named],
        }

    def read(self, progress: Progress) -> Iterator[Record | Reject]:
        """Yield rows that are none, shards that cannot be read, and then the pictures."""
        yield from self._gathered.rejects
        yield from self._pictures.rejects
        every = [said for said in self._gathered.pictures.values() if not self._is_generic(said)]
        for place, said in enumerate(every, 1):
            yield self._record(said)
            progress("read pictures", place, len(every))

    def forget(self) -> None:
        """Nothing was fetched."""

    def _is_generic(self, said: _Said) -> bool:
        return self.most_rows is not None and said.rows > self.most_rows

    def _record(self, said: _Said) -> Record | Reject:
        digest = digest_of(said.url)
        data = self._pictures.bytes_of(digest)
        if isinstance(data, str):
            reason = "zero_bytes" if data == "the file is empty" else "no_picture"
            return Reject(key=digest, member=said.url, reason=reason, detail=data)
        return Record(
            name=said.url, data=data, key=digest, texts=tuple(said.texts),
            kinds=tuple(kind for kind, _ in said.texts.values()), langs=tuple(lang for _, lang in said.texts.values()),
        )  # fmt: skip

    @cached_property
    def _pictures(self) -> WitPictures:
        return WitPictures.below(self.folder)

    @cached_property
    def _gathered(self) -> _Gathered:
        found = _Gathered()
        for table in self.tables:
            for number, row in rows_of(table):
                self._take(found, table.name, number, row)
        return found

    def _take(self, found: _Gathered, table: str, number: int, row: WitRow | BadRow) -> None:
        where = f"{table}, {'row' if table.lower().endswith('.parquet') else 'line'} {number}"
        fault = row if isinstance(row, BadRow) else faults_of(row)
        if isinstance(fault, BadRow):
            found.rejects.append(Reject(key=where, member=table, reason=fault.reason, detail=fault.detail))
            return
        assert isinstance(row, WitRow)
        assert row.image_url is not None
        assert row.language is not None
        if self.languages is not None and row.language not in self.languages:
            found.elsewhere[row.language] += 1
            return
        said = found.pictures.setdefault(row.image_url, _Said(url=row.image_url))
        said.rows += 1
        texts = {kind: _text(row, kind) for kind in self.fields}
        for kind, text in texts.items():
            if text:
                said.texts.setdefault(text, (kind, _language(row, kind)))
        if not any(texts.values()):
            found.silent.append(where)


def _text(row: WitRow, kind: str) -> str:
    """Return what a row says in a field; of a page or a section as many whole sentences from its beginning as are few enough."""
    said = (getattr(row, FIELDS[kind]) or "").strip()
    if kind in CAPTIONS or len(said) <= CONTEXT_CHARACTERS:
        return said
    kept = ""
    for one in sentences(said):
        if len(kept) + 1 + len(one) > CONTEXT_CHARACTERS:
            break
        kept = f"{kept} {one}".strip()
    return kept or said[:CONTEXT_CHARACTERS]


def _language(row: WitRow, kind: str) -> str:
    """Return the language of a field's text: of an attribution, which all languages share, only where WIT found it to be the row's."""
    assert row.language is not None
    return UNKNOWN if kind == "attribution" and not row.attribution_passes_lang_id else row.language
