"""Every picture of a manifest, read from its shards and measured, by processes that a picture may harm."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.contracts.progress import Progress
from components.data.seeing import seen_in_order
from components.data.shards import BrokenMember, ShardReader
from components.validation.looking import Looked, Looking
from components.validation.measure import MEASURED, Measured, columns

_BATCH = 4096  # rows held as objects


def measure_shards(
    raw: Path, manifest: pa.Table, progress: Progress, faces: bool = False, processes: int = 0
) -> pa.Table:
    """Return MEASURED, one row for each of the manifest's, in order; tells `progress` after every picture.

    With `faces` it looks for these too, which takes far longer than all else. No byte depends on the number of `processes`;
    with 0, a picture that crashes the decoder ends us.
    """
    batches = []
    with ShardReader(raw) as reader, ExitStack() as stack:
        seen = seen_in_order(Looking(faces=faces), _pictures(reader, manifest), processes)
        stack.enter_context(closing(seen))
        measured = _told((looked.measured for _, looked in seen if looked is not None), progress, len(manifest))
        while some := list(islice(measured, _BATCH)):
            batches.append(columns(some))
    return pa.Table.from_batches(batches, MEASURED)


def _pictures(reader: ShardReader, manifest: pa.Table) -> Iterator[tuple[None, bytes | Looked]]:
    """Yield the bytes of every row's picture, or that there are none."""
    wanted = manifest.select(["key", "shard", "offset", "size_bytes", "sha256"])
    for batch in wanted.to_batches(max_chunksize=_BATCH):
        for row in batch.to_pylist():
            yield None, _read(reader, row)


def _read(reader: ShardReader, row: Mapping[str, Any]) -> bytes | Looked:
    try:
        return reader.read(row)
    except BrokenMember as err:
        found = err.reason != "missing_member"
        return Looked(measured=Measured(found=found, intact=False if found else None, fault=str(err)), sha256="")


def _told(measured: Iterator[Measured], progress: Progress, total: int) -> Iterator[Measured]:
    for done, one in enumerate(measured, 1):
        yield one
        progress("check pictures", done, total)
