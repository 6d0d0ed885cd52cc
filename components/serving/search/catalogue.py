"""The pictures of an index in one SQLite file: what is said of each, in full text, and what it can be narrowed to.

Ranked by BM25 as FTS5 computes it (Robertson and Zaragoza 2009, k1 1.2, b 0.75). It is written once and then only read, so any number
of processes may.
Axes: N rows, in the order of the index.
"""

import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from components.serving.search.entry import COLUMNS, Entry, Place
from components.serving.search.words import phrases, question, spaced

MAX_FACET = 200  # different values of a column that are offered to choose from; of more none is, since the most frequent of `concept` are of a picture or two each
MAX_VALUES = 100  # of one column in a filter
MOST_TEXTS = 50_000  # that a word may be said in to be asked for beside rarer ones: each of them is scored
KEPT_WORDS = 10_000  # of which is known whether they are said in more
KEPT_BYTES = 16 * 2**20  # of rows that filters left
MAX_CHARACTERS = 1_000  # of a value of a filter
KEPT_FILTERS = 100  # of which it is known: those that find nothing have no rows, but what was asked

_SCHEMA = f"""
CREATE TABLE entries (
    row INTEGER PRIMARY KEY, key TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL, {", ".join(f"{name} TEXT" for name in COLUMNS)},
    shard TEXT, offset INTEGER, size_bytes INTEGER, sha256 TEXT
);
CREATE TABLE said (id INTEGER PRIMARY KEY, row INTEGER NOT NULL, lang TEXT NOT NULL, text TEXT NOT NULL);
CREATE VIRTUAL TABLE words USING fts5(text, content='', tokenize='unicode61 remove_diacritics 2', prefix='2 3');
"""
_INDEXES = (
    "".join(f"CREATE INDEX entries_{name} ON entries ({name});" for name in ("key", *COLUMNS))
    + "CREATE INDEX said_row ON said (row);"
)


class BadFilter(ValueError):
    """A filter that names nothing there is; the message is for the client."""


def write_catalogue(path: Path, entries: Iterable[Entry]) -> None:
    """Write the file under a temporary name and rename it to `path`, whole or not at all."""
    partial = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
    partial.unlink(missing_ok=True)
    connection = sqlite3.connect(partial)
    try:
        connection.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; {_SCHEMA}")
        with connection:
            _fill(connection, entries)
        connection.executescript(f"{_INDEXES} ANALYZE;")
    finally:
        connection.close()
    partial.replace(path)


def _fill(connection: sqlite3.Connection, entries: Iterable[Entry]) -> None:
    marks = ", ".join("?" * (4 + len(COLUMNS) + 4))
    number = 0
    for row, entry in enumerate(entries):
        at = entry.place
        place = (None,) * 4 if at is None else (at.shard, at.offset, at.size_bytes, at.sha256)
        columns = (entry.columns.get(name) for name in COLUMNS)
        connection.execute(
            f"INSERT INTO entries VALUES ({marks})", (row, entry.key, entry.name, entry.text, *columns, *place)
        )
        for lang, text in entry.said:
            number += 1
            connection.execute("INSERT INTO said VALUES (?, ?, ?, ?)", (number, row, lang, text))
            connection.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (number, spaced(text.casefold())))


class Catalogue:
    """The file, opened to be read. Not for several threads at once, but that pictures may be looked up by key while another thread asks for the rest.

    Args:
        path: of a file that write_catalogue wrote.
        most_texts: that a word may be said in to be asked for beside rarer ones.
    """

    def __init__(self, path: Path, most_texts: int = MOST_TEXTS) -> None:
        # Two, since SQLite lets a question to a connection wait for the one before.
        self._sql, self._by_key = _opened(path), _opened(path)
        self._most_texts = most_texts
        self._many = int(self._sql.execute("SELECT count(*) FROM said").fetchone()[0]) > most_texts
        self._facets: dict[str, dict[str, int]] | None = None
        self._languages: dict[str, int] | None = None
        self._common: OrderedDict[str, bool] = OrderedDict()
        self._rows: OrderedDict[tuple[str, tuple[str, ...]], np.ndarray] = OrderedDict()

    def __len__(self) -> int:
        return int(self._sql.execute("SELECT count(*) FROM entries").fetchone()[0])

    def said(self, words: str, top: int, where: Mapping[str, Sequence[str]] | None = None) -> list[int]:
        """Return rows of which any of the words is said, best first by BM25 of their best text, at most `top`.

        The last word may be unfinished. A word of very many texts, such as an article, says little and is not asked for beside a rarer one; where there is no rarer one and
        no filter, that many of the texts are ranked. Raises BadFilter.
        """
        asked = phrases(words)
        if not asked:
            return []
        clause, values = _clause(where or {})
        few = [one for one in asked if not self._is_common(one)]
        most = -1 if few or where else self._most_texts
        found = self._sql.execute(
            "WITH its AS MATERIALIZED (SELECT rowid AS id, bm25(words) AS score FROM words WHERE words MATCH ? LIMIT ?) "
            "SELECT said.row AS row, min(its.score) AS best FROM its JOIN said ON said.id = its.id "
            f"JOIN entries ON entries.row = said.row WHERE {clause} GROUP BY said.row ORDER BY best, said.row LIMIT ?",
            (question(few or asked), most, *values, top),
        )
        return [int(one["row"]) for one in found]

    def _is_common(self, phrase: str) -> bool:
        """Return whether more than `most_texts` texts have it, which is counted once for as long as it is asked for."""
        if not self._many:
            return False
        if phrase not in self._common:
            count = "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT ?)"
            texts = self._sql.execute(count, (phrase, self._most_texts + 1)).fetchone()[0]
            self._common[phrase] = texts > self._most_texts
            if len(self._common) > KEPT_WORDS:
                self._common.popitem(last=False)
        self._common.move_to_end(phrase)
        return self._common[phrase]

    def where(self, where: Mapping[str, Sequence[str]]) -> np.ndarray:
        """Return the rows, int64 in order, that have one of the values in each column; BadFilter for an unknown column.

        Those of the last filters are kept, since to fetch half a million rows takes longer than to search them. Not to be written to.
        """
        clause, values = _clause(where)
        name = clause, tuple(values)
        if name not in self._rows:
            rows = self._sql.execute(f"SELECT row FROM entries WHERE {clause} ORDER BY row", values)
            self._rows[name] = np.fromiter((one["row"] for one in rows), np.int64)
            while len(self._rows) > 1 and (
                len(self._rows) > KEPT_FILTERS or sum(one.nbytes for one in self._rows.values()) > KEPT_BYTES
            ):
                self._rows.popitem(last=False)
        self._rows.move_to_end(name)
        return self._rows[name]

    def entries(self, rows: Sequence[int]) -> list[Entry]:
        """Return what is known of some rows, in their order."""
        marks = ", ".join("?" * len(rows))
        said: dict[int, list[tuple[str, str]]] = {row: [] for row in rows}
        for one in self._sql.execute(f"SELECT row, lang, text FROM said WHERE row IN ({marks}) ORDER BY id", rows):
            said[one["row"]].append((one["lang"], one["text"]))
        found = self._sql.execute(f"SELECT * FROM entries WHERE row IN ({marks})", rows)
        known = {one["row"]: _entry(one, tuple(said[one["row"]])) for one in found}
        return [known[row] for row in rows]

    def keyed(self, key: str) -> Entry | None:
        """Return what is known of the picture of that key, without what is said of it; None where there is none."""
        found = self._by_key.execute("SELECT * FROM entries WHERE key = ? LIMIT 1", (key,)).fetchone()
        return None if found is None else _entry(found, ())

    def row_of(self, key: str) -> int | None:
        """Return the row of the picture of that key; None where there is none."""
        found = self._by_key.execute("SELECT row FROM entries WHERE key = ? LIMIT 1", (key,)).fetchone()
        return None if found is None else int(found["row"])

    def facets(self) -> dict[str, dict[str, int]]:
        """Return for each column that splits the index, into MAX_FACET parts at most, its values, the most frequent first, and how many rows have each; counted once, since of many rows it takes long. Not to be written to."""
        if self._facets is None:
            self._facets = self._counted()
        return self._facets

    def _counted(self) -> dict[str, dict[str, int]]:
        found = {}
        for name in COLUMNS:
            counts = self._sql.execute(
                f"SELECT {name} AS value, count(*) AS rows FROM entries WHERE {name} IS NOT NULL "
                f"GROUP BY {name} ORDER BY rows DESC, value LIMIT {MAX_FACET + 1}"
            ).fetchall()
            if 1 < len(counts) <= MAX_FACET:
                found[name] = {one["value"]: one["rows"] for one in counts}
        return found

    def languages(self) -> dict[str, int]:
        """Return how many texts there are of each language, the most frequent first; as `facets`."""
        if self._languages is None:
            counts = self._sql.execute(
                "SELECT lang, count(*) AS texts FROM said GROUP BY lang ORDER BY texts DESC, lang"
            )
            self._languages = {one["lang"]: one["texts"] for one in counts}
        return self._languages

    def close(self) -> None:
        """Let go of the file."""
        self._sql.close()
        self._by_key.close()


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    return connection


def _clause(where: Mapping[str, Sequence[str]]) -> tuple[str, list[str]]:
    clauses: list[str] = ["1"]
    values: list[str] = []
    for name, allowed in where.items():
        if name not in COLUMNS:
            raise BadFilter(f"there is no column {name[:50]!r} to filter by; there are {', '.join(COLUMNS)}")
        if any("\ud800" <= letter <= "\udfff" for value in allowed for letter in value):
            raise BadFilter(f"a value of the filter on {name} is no Unicode")
        if any(len(value) > MAX_CHARACTERS for value in allowed):
            raise BadFilter(f"a value of the filter on {name} has more than {MAX_CHARACTERS:,} characters")
        if not 1 <= len(allowed) <= MAX_VALUES:
            raise BadFilter(f"the filter on {name} has {len(allowed)} values; give 1 to {MAX_VALUES}")
        clauses.append(f"{name} IN ({', '.join('?' * len(allowed))})")
        values.extend(allowed)
    return " AND ".join(clauses), values


def _entry(found: sqlite3.Row, said: tuple[tuple[str, str], ...]) -> Entry:
    place = None
    if found["shard"] is not None:
        place = Place(
            shard=found["shard"], offset=found["offset"], size_bytes=found["size_bytes"], sha256=found["sha256"]
        )
    columns = {name: found[name] for name in COLUMNS if found[name]}
    return Entry(key=found["key"], name=found["name"], text=found["text"], said=said, columns=columns, place=place)
