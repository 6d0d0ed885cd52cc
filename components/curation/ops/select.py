"""Select a share or a number of the samples: by chance, by a column, or the same number of each group.

Source: Gadre et al. 2023, arXiv:2304.14108, section 3.4 (the best share by a score); Xu et al. 2023, arXiv:2309.16671, section 3.4 (at most
so many of each entry, which balances). Differs: chance is a hash of the key, so that a sample is chosen or not whatever stands beside it.
"""

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.curation import CurationOp, Report
from components.contracts.errors import ConfigError, DataError
from components.contracts.features import Features
from components.curation.leaving_out import draws, leave_out
from components.curation.ops.keep import flat


class Select(CurationOp):
    """Leaves out all but the best; rows that are equally good are drawn by their keys.

    Args:
        ratio: share of the rows that stays, above 0 and up to 1, of each group rounded up. Give this or `count`.
        count: rows that stay, of each group at the most.
        by: column of which the highest values stay; empty for chance.
        lowest: whether the lowest stay instead.
        per: column, or label, of which each value is a group; rows without a value are one group; empty for one group of all.
    """

    def __init__(
        self, ratio: float | None = None, count: int | None = None, by: str = "", lowest: bool = False, per: str = ""
    ) -> None:
        if (ratio is None) == (count is None):
            raise ConfigError(
                f"ratio is {ratio} and count is {count}, but one of them says how many stay. Give that one."
            )
        if ratio is not None and not 0 < ratio <= 1:
            raise ConfigError(f"ratio is {ratio}, but it is the share that stays. Give a number above 0 and up to 1.")
        if count is not None and count < 1:
            raise ConfigError(f"count is {count}, but it is how many stay. Give 1 or more.")
        self.ratio, self.count, self.by, self.lowest, self.per = ratio, count, by, lowest, per

    def apply(self, table: pa.Table, features: Features, seed: int) -> tuple[pa.Table, Report]:
        """Return the best rows, in their order; DataError where a row has no value in `by`."""
        goodness = self._goodness(table)
        group = self._groups(table)
        order = np.lexsort((draws(table, seed, f"Select {self.by}"), goodness, group))  # the best of each group first
        sizes = np.bincount(group) if len(group) else np.zeros(0, np.int64)
        place = np.empty(len(table), np.int64)
        place[order] = np.arange(len(table)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        most = np.array([self._most(size) for size in sizes.tolist()], np.int64)
        goes = np.flatnonzero(place >= most[group]) if len(table) else np.zeros(0, np.int64)
        what = (
            f"lower in {self.by}" if self.by and not self.lowest else f"higher in {self.by}" if self.by else "not drawn"
        )
        return leave_out(self, table, {what: goes}, {"groups": len(sizes)} if self.per else None)

    def _most(self, size: int) -> int:
        if self.count is not None:
            return self.count
        assert self.ratio is not None
        return math.ceil(round(self.ratio * size, 9))  # 0.1 of 30 is 3, though it is more as a sum of halves

    def _goodness(self, table: pa.Table) -> np.ndarray:
        """Return numbers of which the lowest are the best."""
        if not self.by:
            return np.zeros(len(table))
        column = column_of(table, self.by, "by")
        if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
            raise ConfigError(f"by is {self.by!r}, which holds {column.type} and no numbers. Name a column of numbers.")
        values = np.asarray(pc.fill_null(pc.cast(column, pa.float64()), math.nan), np.float64)
        if (missing := np.isnan(values)).any():
            raise DataError(
                f"{missing.sum():,} of {len(table):,} samples have no {self.by}, such as {table['key'][int(missing.argmax())]}, so they "
                f"are neither better nor worse than others. Put a Keep before, with where: '{self.by} is not None'."
            )
        return values if self.lowest else -values

    def _groups(self, table: pa.Table) -> np.ndarray:
        if not self.per:
            return np.zeros(len(table), np.int64)
        column = column_of(table, self.per, "per").combine_chunks()
        coded = pc.dictionary_encode(column, null_encoding="encode")
        return np.asarray(coded.indices, np.int64)


def column_of(table: pa.Table, name: str, argument: str) -> pa.ChunkedArray:
    """Return a column or label; ConfigError, with all there are, for one that is not there."""
    columns = flat(table)
    if name not in columns:
        raise ConfigError(f"{argument} is {name!r}, but there is no such column. There are {', '.join(columns)}.")
    return columns[name]
