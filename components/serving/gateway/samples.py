"""A share of the requests, kept as Parquet for whoever watches the model: words and scores, never a picture.

Rows wait in memory and are written a file at a time, whole or not at all; a worker that is killed, or a disk that is
full, loses those that wait, and the log says so.
"""

import logging
import random
import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts.errors import explained
from components.serving.endpoint import served_folder

SCHEMA = pa.schema(
    [
        pa.field("at", pa.timestamp("ms", tz="UTC")), pa.field("request_id", pa.string()), pa.field("route", pa.string()),
        pa.field("version", pa.string()), pa.field("key_name", pa.string()), pa.field("status", pa.int32()),
        pa.field("seconds", pa.float64()), pa.field("query", pa.string()), pa.field("keys", pa.list_(pa.string())),
        pa.field("scores", pa.list_(pa.float32())),
    ]
)  # fmt: skip
LOG = logging.getLogger("diptych.gateway")
MOST_ROWS = 1_000
MOST_S = 60.0


class Samples:
    """The rows of one worker.

    Args:
        root: of the workspace; files come to .diptych/served/sampled/.
        share: of requests that are kept, 0 to 1.
    """

    def __init__(self, root: Path, share: float) -> None:
        self.folder = served_folder(root) / "sampled"
        self._share = share
        self._rows: list[dict[str, Any]] = []
        self._since = time.monotonic()
        self._random = random.Random()

    def take(self, row: dict[str, Any]) -> None:
        """Keep a row, or not, as chance has it."""
        if self._random.random() >= self._share:
            return
        self._rows.append({"at": datetime.now(UTC), **row})
        if len(self._rows) >= MOST_ROWS or time.monotonic() - self._since > MOST_S:
            self.write()

    def write(self) -> None:
        """Write what waits."""
        self._since = time.monotonic()
        if not self._rows:
            return
        rows, self._rows = self._rows, []
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}.parquet"
        partial = self.folder / f".{name}"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(rows, SCHEMA), partial)
            partial.replace(self.folder / name)
        except OSError as err:  # a full disk must take no answer away from anybody
            LOG.error("%d sampled requests were not kept: %s", len(rows), explained(err))
            with suppress(OSError):
                partial.unlink(missing_ok=True)
