"""quarantine.parquet: the records that do not go on, a row each, the same columns after ingest and after validation."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts.errors import DataError
from components.contracts.reasons import ORDER
from components.contracts.reject import Reject
from components.data.aside import RowFile

SCHEMA = pa.schema([(name, pa.string()) for name in ("key", "member", "reason", "detail")])


class QuarantineWriter(RowFile):
    """Writes rows as they come; the file appears when it is whole. Use as a context manager.

    `counts` says how many rows of each reason went in.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, SCHEMA)
        self.counts: Counter[str] = Counter()

    def add(self, reject: Reject) -> None:
        """Take one record."""
        self.add_rows([{name: getattr(reject, name) for name in SCHEMA.names}])

    def add_rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take rows with the columns of SCHEMA."""
        for row in rows:
            self.counts[row["reason"]] += 1
            self.write_row(row)


def read_quarantine(path: Path) -> list[dict[str, str]]:
    """Return the rows in order. DataError when the file is missing, damaged, or gives a reason that nobody knows."""
    try:
        table = pq.read_table(path, partitioning=None)
    except FileNotFoundError as err:
        raise DataError(f"{path} is missing, so nobody knows what did not come in. Ingest again.") from err
    except (pa.ArrowException, OSError) as err:
        raise DataError(f"{path} cannot be read as Parquet ({err}). Ingest again.") from err
    if table.schema.names != SCHEMA.names:
        raise DataError(
            f"{path} has the columns {', '.join(table.schema.names)}; a quarantine has {', '.join(SCHEMA.names)}. Ingest again."
        )
    rows: list[dict[str, str]] = table.to_pylist()
    unknown = sorted({str(row["reason"]) for row in rows} - set(ORDER))
    if unknown:
        raise DataError(
            f"{path} gives the reasons {', '.join(unknown)}, which this version does not know. Ingest again with this version."
        )
    return rows


def in_order(counts: Mapping[str, int]) -> dict[str, int]:
    """Return reason -> rows in the order of REASONS, without those that have none."""
    return {code: counts[code] for code in ORDER if counts.get(code)}
