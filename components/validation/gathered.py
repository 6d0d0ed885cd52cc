"""What was read and looked at, as the tables that checks ask: a few thousand rows as objects, the rest as columns."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from components.contracts.reject import Reject
from components.contracts.sample import Sample
from components.data.aside import ROW_GROUP_ROWS
from components.data.ingest import manifest_row
from components.data.kinds import KINDS
from components.data.manifest import SCHEMA, snapshot_digest
from components.data.quarantine import SCHEMA as REJECTED
from components.data.quarantine import in_order
from components.data.thumbnail import Thumbnails
from components.validation.looking import Looked
from components.validation.measure import MEASURED, Measured, columns


class Gathered:
    """Takes samples with what was seen of them, and rejects.

    Args:
        thumbnails: is handed that of each sample, in order.
    """

    def __init__(self, thumbnails: Thumbnails) -> None:
        self.thumbnails = thumbnails
        self.rejects: list[dict[str, str]] = []
        self.captioned = False
        self._rows: list[dict[str, Any]] = []
        self._measured: list[Measured] = []
        self._kinds: dict[str, list[Mapping[str, Any]]] = {kind.name: [] for kind in KINDS}
        self._batches: list[tuple[pa.RecordBatch, pa.RecordBatch]] = []

    def add(self, one: tuple[Sample, Looked] | Reject) -> None:
        """Take one record."""
        if isinstance(one, Reject):
            self.rejects.append({name: getattr(one, name) for name in REJECTED.names})
            return
        sample, looked = one
        its = looked.measured
        self._rows.append(
            manifest_row(sample, sample.name or sample.key, 0)
            | {"sha256": looked.sha256, "pixel_sha256": its.pixel_sha256, "width": its.width, "height": its.height}
        )
        self._measured.append(its)
        self.thumbnails.add(looked.thumbnail)
        self.captioned |= bool(sample.texts)
        for kind in KINDS:
            self._kinds[kind.name].extend(kind.rows(sample))
        if len(self._rows) == ROW_GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        self._batches.append((pa.RecordBatch.from_pylist(self._rows, SCHEMA), columns(self._measured)))
        self._rows, self._measured = [], []

    def tables(self) -> tuple[pa.Table, pa.Table]:
        """Return the manifest of all samples, and MEASURED of their pictures."""
        self._flush()
        manifests, measured = zip(*self._batches, strict=True)
        return pa.Table.from_batches(manifests, SCHEMA), pa.Table.from_batches(measured, MEASURED)

    def kinds(self) -> dict[str, pa.Table]:
        """Return kind -> the rows of its table, of the kinds that there are."""
        return {kind.name: pa.Table.from_pylist(its, kind.schema) for kind in KINDS if (its := self._kinds[kind.name])}

    def came_in(self, described: Mapping[str, Any], manifest: pa.Table) -> dict[str, Any]:
        """Return what source.json would hold, of a source that describes itself so."""
        return {
            "source": described,
            "rows_in": len(manifest) + len(self.rejects),
            "samples": len(manifest),
            "quarantined": len(self.rejects),
            "rejected": in_order(Counter(reject["reason"] for reject in self.rejects)),
            "digest": snapshot_digest(manifest),
            **{kind.name: kind.count(its) for kind in KINDS if (its := self._kinds[kind.name])},
        }
