"""Keep the samples of which a condition holds."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.curation import CurationOp, Report
from components.contracts.features import Features
from components.curation.condition import Condition
from components.curation.leaving_out import leave_out
from components.data.manifest import LABELS


class Keep(CurationOp):
    """Leaves out what does not fit, and what cannot be said to.

    Args:
        where: a condition over columns, such as `words >= 2 and aspect < 4`, see components/curation/condition.py. Labels are
            columns by their own names: `category == "Flags"`.
        reason: what the report calls those that go; the condition itself where it is empty.
    """

    def __init__(self, where: str, reason: str = "") -> None:
        self.where, self.reason = where, reason
        self.condition = Condition(where)

    def apply(self, table: pa.Table, features: Features, seed: int) -> tuple[pa.Table, Report]:
        """Return the rows where it holds; those where a value is missing are counted as `<reason>: not known`."""
        holds = self.condition.holds(flat(table))
        reason = self.reason or f"not ({self.where})"
        fails = np.flatnonzero(np.asarray(pc.fill_null(pc.invert(holds), False)))
        unknown = np.flatnonzero(np.asarray(pc.is_null(holds)))
        return leave_out(self, table, {reason: fails, f"{reason}: not known": unknown})


def flat(table: pa.Table) -> Mapping[str, pa.ChunkedArray]:
    """Return the columns that hold one value a row, labels among them by their own names."""
    columns = {
        name: table[name]
        for name, kind in zip(table.column_names, table.schema.types, strict=True)
        if not pa.types.is_nested(kind)
    }
    if "labels" in table.column_names:
        columns |= {label: pc.struct_field(table["labels"], label) for label in LABELS}
    return columns
