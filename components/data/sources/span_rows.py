"""The table of spans: which stretch of which clip, and what is said of it, row by row."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError, DataError
from components.contracts.reject import Reject
from components.data.sources.columns import FLAGS, NAMES, plain
from components.data.sources.rows import TABLES, column_names, read_rows, texts_of

NAME = "spans"  # of the table that is found in a folder without being told
COLUMNS = {
    "clip": ("clip", "clip_id", "video", "video_id", "folder"),
    "t0": ("t0", "t0_s", "start", "start_s", "begin"),
    "t1": ("t1", "t1_s", "end", "end_s", "stop"),
    "text": ("text", *(name for name in NAMES["caption"] if name != "text")),
    "fps": ("fps", "frame_rate"),
    **{role: NAMES[role] for role in ("label", "licence", "lang", "key", *FLAGS)},
}
_NEEDED = ("clip", "t0", "t1", "text")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRow:
    """One row, its times checked.

    Args:
        where: of the table, such as `line 7`.
        clip: as the row names it, a path below the folder.
        t0_s, t1_s: seconds from the clip's start; the second is the later.
        fps: frames a second, None where the row does not say.
        texts: what is said, each once.
        langs, label, licence, key, flags: as of Record.
    """

    where: str
    clip: str
    t0_s: float
    t1_s: float
    fps: float | None
    texts: tuple[str, ...]
    langs: tuple[str | None, ...] = ()
    label: str | None = None
    licence: str | None = None
    key: str | None = None
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def merged(rows: Sequence[SpanRow]) -> list[SpanRow]:
    """Return the spans of a clip in the order of their times; rows of the same times are one, of which each says something."""
    spans: dict[tuple[float, float], SpanRow] = {}
    for row in sorted(rows, key=lambda row: (row.t0_s, row.t1_s)):
        first = spans.setdefault((row.t0_s, row.t1_s), row)
        if first is not row:
            said = dict(zip(row.texts, row.langs, strict=True)) | dict(zip(first.texts, first.langs, strict=True))
            said = {text: said[text] for text in dict.fromkeys([*first.texts, *row.texts])}
            flags = {flag: tuple(dict.fromkeys([*words, *row.flags[flag]])) for flag, words in first.flags.items()}
            spans[row.t0_s, row.t1_s] = replace(first, texts=tuple(said), langs=tuple(said.values()), flags=flags)
    return list(spans.values())


def spans_table(folder: Path) -> Path | None:
    """Return the table of spans that a folder has, such as spans.csv; DataError when it has several."""
    there = [path for suffix in TABLES if (path := folder / f"{NAME}{suffix}").is_file()]
    if len(there) > 1:
        raise DataError(f"{folder} has {' and '.join(path.name for path in there)}, and both could be meant. Keep one.")
    return there[0] if there else None


def read_spans(table: Path) -> Iterator[SpanRow | Reject]:
    """Yield a row each, or why it can be no span. ConfigError when columns are not there, DataError as of read_rows."""
    columns = _columns(table)
    for where, row in read_rows(table):
        said = {role: row.get(column) for role, column in columns.items()}
        try:
            yield _row(where, said)
        except _Wrong as err:
            yield Reject(key=f"{table.name}, {where}", member=table.name, reason=err.args[0], detail=err.args[1])


class _Wrong(Exception):
    """The row can be no span: reason code and sentence."""


def _row(where: str, said: Mapping[str, Any]) -> SpanRow:
    one = {role: next(iter(texts_of(said.get(role))), None) for role in COLUMNS}
    if one["clip"] is None:
        raise _Wrong("bad_span", "the column of the clip is empty")
    t0, t1 = (_seconds(role, said.get(role)) for role in ("t0", "t1"))
    if t0 < 0:
        raise _Wrong("span_beyond", f"it begins at {t0:g} s; a clip begins at 0")
    if t1 <= t0:
        raise _Wrong("span_reversed", f"it begins at {t0:g} s and ends at {t1:g} s")
    fps = None if one["fps"] is None else _rate(one["fps"])
    texts = tuple(dict.fromkeys(texts_of(said["text"])))
    return SpanRow(
        where=where, clip=one["clip"], t0_s=t0, t1_s=t1, fps=fps, texts=texts,
        langs=(one["lang"],) * len(texts), label=one["label"], licence=one["licence"], key=one["key"],
        flags={flag: tuple(texts_of(said[flag])) or ("",) for flag in FLAGS if flag in said},
    )  # fmt: skip


def _seconds(role: str, value: Any) -> float:
    number = _number(value)
    if number is None:
        raise _Wrong(
            "bad_span", f"{role} is {str(value)[:40]!r}; seconds from the clip's start are wanted, such as 2.5"
        )
    return number


def _rate(value: Any) -> float:
    number = _number(value)
    if number is None or number <= 0:
        raise _Wrong("bad_span", f"fps is {str(value)[:40]!r}; frames a second are wanted, such as 25")
    return number


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _columns(table: Path) -> dict[str, str]:
    """Return role -> column."""
    there = column_names(table)
    found: dict[str, str] = {}
    for role, names in COLUMNS.items():
        likely = [column for column in there if plain(column) in names]
        exact = [column for column in likely if plain(column) == role]
        if len(exact or likely) == 1:
            found[role] = (exact or likely)[0]
        elif role in _NEEDED:
            raise ConfigError(_unrecognised(table, role, likely, there))
    return found


def _unrecognised(table: Path, role: str, likely: Sequence[str], there: Sequence[str]) -> str:
    why = f"several could be it ({', '.join(likely)})" if likely else "none is called so"
    return (
        f"which column of {table.name} holds {role}? {why[0].upper()}{why[1:]}. Its columns are {', '.join(there) or 'none'}; "
        f"{', '.join(_NEEDED)} are wanted, and {role} may be called {', '.join(COLUMNS[role])}. Rename the column."
    )
