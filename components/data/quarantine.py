"""quarantine.parquet: the records that do not go on, a row each, the same columns after ingest and after validation."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts.errors import DataError
from components.contracts.reasons import ORDER
from components.contracts.reject import Reject

SCHEMA = pa.schema([(name, pa.string()) for name in ("key", "member", "reason", "detail")])
_WAITING_ROWS = 4096


class QuarantineWriter:
    """Writes rows as they come and keeps at most a few thousand in memory; the file appears when it is whole.

    Use as a context manager: left by an exception, it leaves no file. `counts` says how many rows of each reason went in.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows_written = 0
        self.counts: Counter[str] = Counter()
        self._partial = path.with_name(path.name + ".partial")
        self._waiting: list[Mapping[str, Any]] = []

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = pq.ParquetWriter(self._partial, SCHEMA, compression="zstd")
        return self

    def add(self, reject: Reject) -> None:
        """Take one record."""
        self.add_rows([{name: getattr(reject, name) for name in SCHEMA.names}])

    def add_rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take rows with the columns of SCHEMA."""
        for row in rows:
            self.counts[row["reason"]] += 1
            self._waiting.append(row)
            if len(self._waiting) == _WAITING_ROWS:
                self._flush()

    def _flush(self) -> None:
        self._file.write_table(pa.Table.from_pylist(self._waiting, SCHEMA))
        self.rows_written += len(self._waiting)
        self._waiting = []

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None and self._waiting:
            self._flush()
        self._file.close()
        if kind is None:
            self._partial.replace(self.path)
        else:
            self._partial.unlink(missing_ok=True)


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
