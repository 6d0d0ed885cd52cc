"""Rows that a step leaves out, with a reason each; and draws that know a sample by its key and not by its place."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Int64, UInt64

from components.contracts.curation import EXAMPLES, CurationOp, Report


def leave_out(
    op: CurationOp,
    table: pa.Table,
    reasons: Mapping[str, Sequence[int] | Int64[np.ndarray, " _"]],
    stats: Mapping[str, float] | None = None,
) -> tuple[pa.Table, Report]:
    """Return the table without some rows, in its order, and the report.

    Args:
        reasons: reason -> places of the rows that go for it, no row twice; a reason without rows is not told of.
    """
    stays = np.ones(len(table), bool)
    for places in reasons.values():
        stays[np.asarray(places, np.int64)] = False
    kept = table.filter(pa.array(stays))
    report = Report(
        op=op.name,
        rows_in=len(table),
        rows_out=len(kept),
        dropped={reason: len(places) for reason, places in reasons.items() if len(places)},
        examples={reason: examples(table, places) for reason, places in reasons.items() if len(places)},
        stats=stats or {},
    )
    return kept, report


def examples(table: pa.Table, places: Sequence[int] | Int64[np.ndarray, " _"]) -> tuple[str, ...]:
    """Return the first keys, in the order of the keys, of some rows: the same ones in whichever order the rows come."""
    keys = table["key"].take(pa.array(np.asarray(places, np.int64)))
    return tuple(sorted(keys.to_pylist())[:EXAMPLES])


def draws(table: pa.Table, seed: int, salt: str) -> UInt64[np.ndarray, " N"]:
    """Return a number of each row, drawn evenly from all of 64 bits by its key, the seed and what the draw is for."""
    start = hashlib.blake2b(f"{seed} {salt} ".encode(), digest_size=8)
    drawn = bytearray()
    for key in table["key"].to_pylist():
        one = start.copy()
        one.update(key.encode())
        drawn += one.digest()
    return np.frombuffer(bytes(drawn), "<u8")


def shares(table: pa.Table, seed: int, salt: str) -> np.ndarray:
    """Return the same as numbers from 0 to below 1."""
    return (draws(table, seed, salt) >> np.uint64(11)) / 2.0**53


def by_key(table: pa.Table) -> Int64[np.ndarray, " N"]:
    """Return the places of the rows in the order of their keys."""
    keys = table["key"].combine_chunks() if isinstance(table["key"], pa.ChunkedArray) else table["key"]
    return np.asarray(pa.compute.array_sort_indices(keys), np.int64)
