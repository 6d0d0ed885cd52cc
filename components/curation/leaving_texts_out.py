"""Texts that a step leaves out of their samples; a sample goes with the last of its texts."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Int64

from components.contracts.curation import CurationOp, Report
from components.curation.leaving_out import leave_out
from components.curation.ops.measure import with_columns

Flags = Bool[np.ndarray, " T"]


def said(table: pa.Table) -> tuple[pa.StructArray, Int64[np.ndarray, " T"]]:
    """Return the texts of all rows as one array of `text`, `kind` and `lang`, and the row that each is of."""
    listed = table["texts"].combine_chunks()
    return pc.list_flatten(listed), np.asarray(pc.list_parent_indices(listed), np.int64)


def leave_texts_out(op: CurationOp, table: pa.Table, reason: str, goes: Flags) -> tuple[pa.Table, Report]:
    """Return the rows that still have a text, or never had one, and the report, whose stats say how many texts went.

    Args:
        reason: what the report calls samples that lost all their texts.
        goes: of each text, in the order of `said`.
    """
    texts, owner = said(table)
    before = np.bincount(owner, minlength=len(table))
    after = before - np.bincount(owner[goes], minlength=len(table))
    dropped = np.flatnonzero((after == 0) & (before > 0))
    stats = {"texts left out": int(goes.sum()), "samples with fewer texts": int(((after < before) & (after > 0)).sum())}
    if goes.any():
        table = with_columns(table, {"texts": _listed(texts.filter(pa.array(~goes)), after, table)})
    return leave_out(op, table, {reason: dropped}, stats)


def _listed(texts: pa.StructArray, counts: Int64[np.ndarray, " N"], table: pa.Table) -> pa.Array:
    bounds = np.concatenate([[0], np.cumsum(counts)])
    return pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), texts, type=table.schema.field("texts").type)
