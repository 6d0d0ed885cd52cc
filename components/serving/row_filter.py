"""Which rows of an index a request leaves, by the columns that its package has: the same question as the gateway's `filter`.

`{"source": ["noto", "openmoji"], "split": ["val"]}`: a row has one of the values in each column. The exporter copies this file, as it is, beside the model that
searches, so it needs numpy alone.
Axes: N rows of the index, M of them that are left.
"""

import json
from collections.abc import Mapping, Sequence

import numpy as np

MAX_VALUES = 100  # of one column
MAX_CHARACTERS = 100_000  # of a filter
SAID = '{"source": ["noto"]}'


class BadFilter(ValueError):
    """A filter that cannot be read, or names what there is not; the message is for the client."""


def filter_of(text: str) -> dict[str, list[str]]:
    """Return column -> values of a filter in JSON. BadFilter for anything else."""
    if len(text) > MAX_CHARACTERS:
        raise BadFilter(f"the filter has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read")
    try:
        where = json.loads(text)
    except (ValueError, RecursionError) as err:
        raise BadFilter(f"the filter is not JSON; send columns with lists of values, such as {SAID}") from err
    if not isinstance(where, dict):
        raise BadFilter(
            f"the filter is {type(where).__name__}, not an object; send columns with lists of values, such as {SAID}"
        )
    for name, values in where.items():
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise BadFilter(f"the filter on {name[:50]!r} is no list of texts; send such as {SAID}")
        if not 1 <= len(values) <= MAX_VALUES:
            raise BadFilter(f"the filter on {name[:50]!r} has {len(values)} values; give 1 to {MAX_VALUES}")
    return where


class RowFilter:
    """The columns of an index, ready to be asked.

    Args:
        columns: name -> N values, empty where a row has none.
    """

    def __init__(self, columns: Mapping[str, Sequence[str]]) -> None:
        self._rows: dict[str, dict[str, np.ndarray]] = {}
        for name, values in columns.items():
            places: dict[str, list[int]] = {}  # no array of texts, each of which would be as wide as the longest
            for row, value in enumerate(values):
                if value:
                    places.setdefault(value, []).append(row)
            self._rows[name] = {value: np.array(rows, np.int64) for value, rows in places.items()}

    def rows(self, where: Mapping[str, Sequence[str]]) -> np.ndarray | None:
        """Return the M rows that are left, int64 in order; None for all of them. BadFilter for a column that the package has not."""
        left: np.ndarray | None = None
        for name, values in where.items():
            if name not in self._rows:
                has = f"it has {', '.join(self._rows)}" if self._rows else "it has none"
                raise BadFilter(f"the package's index has no column {name[:50]!r} to filter by; {has}")
            its = [self._rows[name][value] for value in dict.fromkeys(values) if value in self._rows[name]]
            found = np.sort(np.concatenate(its)) if its else np.zeros(0, np.int64)
            left = found if left is None else np.intersect1d(left, found, assume_unique=True)
        return left
