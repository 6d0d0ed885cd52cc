"""One sample of several, or several of one: texts of the same picture together, or each text a sample of its own."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.curation import CurationOp, Report
from components.contracts.errors import ConfigError
from components.contracts.features import Features
from components.curation.leaving_out import by_key, leave_out
from components.curation.ops.measure import with_columns
from components.curation.ops.select import column_of


class Regroup(CurationOp):
    """Merges samples, or splits them; the pictures stay where they lie.

    Args:
        merge: column, such as `pixel_sha256`, of which samples with the same value become one: the first by key, with the texts of all, each once. Samples
            without a value stay as they are. Empty to split instead: of a sample with several texts, the first stays with it, and each further one
            becomes a sample of its own with the same picture, called `<key>~2` and so on.
    """

    def __init__(self, merge: str = "") -> None:
        self.merge = merge

    @property
    def needs(self) -> tuple[str, ...]:
        """Return where the texts are."""
        return ("texts",)

    @property
    def adds(self) -> tuple[str, ...]:
        """Return the texts, which stand elsewhere then."""
        return ("texts",)

    def apply(self, table: pa.Table, features: Features, seed: int) -> tuple[pa.Table, Report]:
        """Return the samples as they are grouped now: those that were merged are `merged`, those of further texts are made."""
        return self._merged(table) if self.merge else self._split(table)

    def _merged(self, table: pa.Table) -> tuple[pa.Table, Report]:
        if self.merge in ("key", "texts"):
            raise ConfigError(
                f"merge is {self.merge!r}, which is never the same of two samples. Name a column such as pixel_sha256."
            )
        codes = pc.dictionary_encode(column_of(table, self.merge, "merge").combine_chunks()).indices
        group = np.asarray(pc.fill_null(codes, -1), np.int64)
        texts: list[list[dict[str, Any]]] = [list(one or ()) for one in table["texts"].to_pylist()]
        first: dict[int, int] = {}
        goes = []
        for row in by_key(table).tolist():
            if group[row] < 0 or (into := first.setdefault(int(group[row]), row)) == row:
                continue
            texts[into] += [text for text in texts[row] if text not in texts[into]]
            goes.append(row)
        merged = with_columns(table, {"texts": pa.array(texts, table.schema.field("texts").type)})
        return leave_out(self, merged, {"merged": goes})

    def _split(self, table: pa.Table) -> tuple[pa.Table, Report]:
        texts = [list(one or ()) for one in table["texts"].to_pylist()]
        rows = [(row, at) for row, its in enumerate(texts) for at in range(max(1, len(its)))]
        keys = table["key"].to_pylist()
        columns: Mapping[str, pa.Array] = {
            "key": pa.array([keys[row] if at == 0 else f"{keys[row]}~{at + 1}" for row, at in rows], pa.string()),
            "texts": pa.array([texts[row][at : at + 1] for row, at in rows], table.schema.field("texts").type),
        }
        split = with_columns(table.take(pa.array([row for row, _ in rows], pa.int64())), columns)
        made = len(split) - len(table)
        return split, Report(op=self.name, rows_in=len(table), rows_out=len(split), made=made)
