"""Two tables of samples compared by key, never by position: rows that came, that went, and that are others, and in what."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.errors import DataError
from components.data.row_json import json_rows
from components.data.versions.columns import ENCODING, PICTURE, PLACES, Columns, called

SCHEMA = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("change", pa.string()),  # added, removed or changed
        pa.field("reasons", pa.list_(pa.string())),  # of what is changed
        pa.field("before", pa.string()),  # as JSON, what is changed: how it was
        pa.field("after", pa.string()),  # and how it is
    ]
)
_SLICE_ROWS = 16_384  # of nested columns, made into JSON at once


@dataclass(kw_only=True)
class Counts:
    """What differs, in numbers.

    Args:
        reasons: reason -> samples changed so; a sample may have several.
        same: samples that do not differ.
        moved: of all that both have, those that lie at another place in the shards.
    """

    added: int = 0
    removed: int = 0
    changed: int = 0
    same: int = 0
    moved: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def compare(
    before: pa.Table, after: pa.Table, columns: Columns, counts: Counts, names: Sequence[str]
) -> Iterator[pa.Table]:
    """Yield tables in SCHEMA: removed, added, then changed samples, each sorted by key; `counts` is added to.

    Args:
        before: columns of `columns.both`, and further ones of strings, as `names` says; after: the same.
        names: the two sides', for messages.

    Raises DataError for a key that a side has twice, or a row without one.
    """
    for table, name in ((before, names[0]), (after, names[1])):
        _check_keys(table["key"], name)
    before, after = before.sort_by("key").combine_chunks(), after.sort_by("key").combine_chunks()
    places = pc.index_in(before["key"], value_set=after["key"].combine_chunks()).combine_chunks()
    gone = before["key"].filter(pc.is_null(places))
    come = after["key"].filter(pc.invert(pc.is_in(after["key"], value_set=before["key"].combine_chunks())))
    counts.removed += len(gone)
    counts.added += len(come)
    yield _only(gone, "removed")
    yield _only(come, "added")
    stayed = before.filter(pc.is_valid(places))
    places = places.drop_null()
    for start in range(0, len(stayed), _SLICE_ROWS):
        yield _changed(stayed.slice(start, _SLICE_ROWS), after.take(places.slice(start, _SLICE_ROWS)), columns, counts)


def _check_keys(keys: pa.ChunkedArray, name: str) -> None:
    if keys.null_count:
        raise DataError(f"{name} has rows without a key ({keys.null_count:,}), so nobody knows which samples they are.")
    if len(found := pc.value_counts(keys)) != len(keys):
        twice = found.filter(pc.greater(pc.struct_field(found, 1), 1))[0].as_py()
        raise DataError(
            f"{name} has the key {twice['values']!r} {twice['counts']} times, so its samples cannot be told apart. Ingest again."
        )


def _only(keys: pa.ChunkedArray, change: str) -> pa.Table:
    size = len(keys)
    said = [keys, pa.array([change] * size, pa.string()), pa.array([[]] * size, SCHEMA.field("reasons").type)]
    return pa.table([*said, pa.nulls(size, pa.string()), pa.nulls(size, pa.string())], SCHEMA)


def _changed(before: pa.Table, after: pa.Table, columns: Columns, counts: Counts) -> pa.Table:
    """Return those of rows of the same keys that differ."""
    count = len(before)
    differs: dict[str, tuple[np.ndarray, pa.Array, pa.Array]] = {}
    beyond = [name for name in before.column_names if name not in columns.both]
    for name in (*columns.said, *beyond):
        was, is_now = as_text(before[name]), as_text(after[name])
        differs[called(name)] = (_unequal(was, is_now), was, is_now)
    differs |= _pictures(before, after)
    moved = np.zeros(count, bool)
    for name in PLACES:
        if name in columns.both:
            moved |= _unequal(as_text(before[name]), as_text(after[name]))
    any_of = np.logical_or.reduce([mask for mask, *_ in differs.values()] or [np.zeros(count, bool)])
    counts.changed += int(any_of.sum())
    counts.same += int(count - any_of.sum())
    counts.moved += int(moved.sum())
    for reason, (mask, *_) in differs.items():
        if mask.any():
            counts.reasons[reason] += int(mask.sum())
    rows = np.flatnonzero(any_of)
    reasons = [[reason for reason, (mask, *_) in differs.items() if mask[row]] for row in rows]
    here = pa.array(rows)
    return pa.table(
        [
            before["key"].take(here), pa.array(["changed"] * len(rows), pa.string()), pa.array(reasons, SCHEMA.field(2).type),
            _said({reason: (mask, was) for reason, (mask, was, _) in differs.items()}, here),
            _said({reason: (mask, is_now) for reason, (mask, _, is_now) in differs.items()}, here),
        ],
        SCHEMA,
    )  # fmt: skip


def _pictures(before: pa.Table, after: pa.Table) -> dict[str, tuple[np.ndarray, pa.Array, pa.Array]]:
    """Return where pictures are others, and where only their bytes are: the same pixels, encoded otherwise."""
    count = len(before)
    has = [name for name in ("sha256", "pixel_sha256") if name in before.column_names]
    if not has:
        return {}
    was, is_now = (as_text(table[has[0]]) for table in (before, after))
    other = _unequal(was, is_now)
    if len(has) == 1:
        return {PICTURE: (other, was, is_now)}
    pixels = [table["pixel_sha256"] for table in (before, after)]
    alike = np.asarray(pc.fill_null(pc.equal(*pixels), False)).astype(bool)
    assert len(alike) == count
    return {PICTURE: (other & ~alike, was, is_now), ENCODING: (other & alike, was, is_now)}


def as_text(column: pa.ChunkedArray) -> pa.Array:
    """Return each value as JSON, `null` where there is none."""
    batch = pa.record_batch({"value": column.combine_chunks()})
    if _has_floats(column.type):
        return pa.array([_json(value) for value in column.to_pylist()], pa.string())
    said = json_rows(batch)
    return pc.utf8_slice_codeunits(said, len('{"value": '), -1)


def _has_floats(kind: pa.DataType) -> bool:
    """Return whether it holds what json_rows does not take."""
    if pa.types.is_struct(kind):
        return any(_has_floats(kind.field(at).type) for at in range(kind.num_fields))
    if pa.types.is_list(kind):
        return _has_floats(kind.value_type)
    return not (pa.types.is_string(kind) or pa.types.is_integer(kind))


def _json(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _unequal(one: pa.Array, other: pa.Array) -> np.ndarray:
    return np.asarray(pc.not_equal(one, other)).astype(bool)


def _said(values: dict[str, tuple[np.ndarray, pa.Array]], rows: pa.Array) -> pa.Array:
    """Return a JSON object for each row, of the reasons that are its own."""
    pieces = []
    for reason, (mask, said) in values.items():
        named = pc.binary_join_element_wise(pa.scalar(f'"{reason}": '), said.take(rows), pa.scalar(""))
        pieces.append(pc.if_else(pa.array(mask).take(rows), named, pa.scalar(None, pa.string())))
    if not pieces:
        return pa.array(["{}"] * len(rows), pa.string())
    joined = pc.binary_join_element_wise(*pieces, pa.scalar(", "), null_handling="skip")
    return pc.binary_join_element_wise(pa.scalar("{"), joined, pa.scalar("}"), pa.scalar(""))
