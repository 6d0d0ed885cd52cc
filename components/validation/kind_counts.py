"""What there is of each kind of data beside pictures with words, for the report: how many, how large, and the oddest of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.data.beside import rows_of
from components.data.kinds import KINDS
from components.data.personal import masked

MOST_LABELS = 20  # listed by name
_PARTS = (1, 2, 5, 10, 20)  # upper ends, inclusive
_PERCENT = (0.1, 1, 5, 20, 50)
_SECONDS = (1, 2, 5, 10, 30, 60, 120)


def kind_counts(kinds: Mapping[str, pa.Table], passed: pa.Table) -> dict[str, dict[str, Any]]:
    """Return kind -> `counts`, and `tables` of name -> what is counted and how many, of the samples that are kept.

    There is nothing of a kind that the data does not have.
    """
    found = {}
    for kind in KINDS:
        if kind.name not in kinds:
            continue
        rows = rows_of(kinds[kind.name], passed)
        wholes = Counter(rows[kind.whole].to_pylist())
        counts = dict(zip(kind.counted, (len(wholes), len(rows)), strict=True))
        tables = {f"{kind.counted[1]} in one": _table(kind.counted[0], binned(list(wholes.values()), _PARTS))}
        tables |= {name: _table(kind.counted[1], its) for name, its in _more(kind.name, rows).items()}
        found[kind.name] = {"counts": counts, "tables": tables}
    return found


def _table(what: str, counts: Mapping[str, int]) -> dict[str, Any]:
    return {"what": what, "counts": dict(counts)}


def _more(kind: str, rows: pa.Table) -> dict[str, dict[str, int]]:
    if kind == "regions":
        labels = Counter(masked(label) for label in rows["label"].to_pylist() if label is not None).most_common()
        others = sum(count for _, count in labels[MOST_LABELS:])
        named = dict(labels[:MOST_LABELS]) | ({f"{len(labels) - MOST_LABELS:,} others": others} if others else {})
        return {"percent of the picture": binned(100 * areas(rows), _PERCENT), "label": named}
    if kind == "spans":
        rates = Counter(f"{rate:g}" for rate in rows["fps"].to_pylist())
        return {"seconds": binned(seconds(rows), _SECONDS), "frames a second": dict(rates.most_common(MOST_LABELS))}
    return {}


def areas(regions: pa.Table) -> NDArray[np.float64]:
    """Return the share of its picture, 0 to 1, that each box covers."""
    sides = [pc.subtract(regions[far], regions[near]) for near, far in (("x0", "x1"), ("y0", "y1"))]
    return np.asarray(pc.multiply(*sides).to_numpy(), np.float64)


def seconds(spans: pa.Table) -> NDArray[np.float64]:
    """Return how long each span lasts."""
    return np.asarray(pc.subtract(spans["t1_s"], spans["t0_s"]).to_numpy(), np.float64)


def binned(values: Sequence[float] | NDArray[np.float64], ends: Sequence[float]) -> dict[str, int]:
    """Return "more than 1, to 5" -> how many, without what is empty at the far end."""
    counts = np.bincount(np.searchsorted(ends, np.asarray(values, np.float64)), minlength=len(ends) + 1).tolist()
    names = [f"to {ends[0]:g}", *(f"more than {low:g}, to {high:g}" for low, high in pairwise(ends))]
    bins = dict(zip([*names, f"more than {ends[-1]:g}"], counts, strict=True))
    while bins and not bins[last := next(reversed(bins))]:
        del bins[last]
    return bins


def oddest(kind: str, rows: pa.Table, most: int) -> dict[str, str]:
    """Return key -> what is odd of it: pictures with the smallest boxes, the shortest and longest spans; none of other kinds."""
    if kind == "regions":
        shares = areas(rows)
        keys = _first_keys(rows, np.argsort(shares, kind="stable"), most)
        return {key: f"a box of {100 * shares[at]:.2g} percent of the picture" for key, at in keys.items()}
    if kind == "spans":
        order = np.argsort(lasting := seconds(rows), kind="stable")
        keys = _first_keys(rows, order, most // 2) | _first_keys(rows, order[::-1], most - most // 2)
        frames = rows["frames"].to_pylist()
        return {key: f"a span of {lasting[at]:g} s, {frames[at]:,} frames" for key, at in keys.items()}
    return {}


def _first_keys(rows: pa.Table, order: NDArray[np.int64], most: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for at in order.tolist():
        if len(found) == most:
            break
        found.setdefault(rows["key"][at].as_py(), at)
    return found
