"""A share of the requests, kept as Parquet for whoever watches the model: words, scores and vectors, never a picture.

Rows wait in memory and are written a file at a time, whole or not at all; a worker that is killed, or a disk that is
full, loses those that wait, and the log says so. The oldest files go once there are too many.
"""

import logging
import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts.errors import explained
from components.data.script import language_by_script, stated_language
from components.serving.endpoint import served_folder

SCHEMA = pa.schema(
    [
        pa.field("at", pa.timestamp("ms", tz="UTC")), pa.field("request_id", pa.string()), pa.field("route", pa.string()),
        pa.field("version", pa.string()), pa.field("package", pa.string()), pa.field("space", pa.string()), pa.field("key_name", pa.string()), pa.field("status", pa.int32()),
        pa.field("seconds", pa.float64()), pa.field("query", pa.string()), pa.field("lang", pa.string()), pa.field("keys", pa.list_(pa.string())),
        pa.field("scores", pa.list_(pa.float32())), pa.field("side", pa.string()), pa.field("embedding", pa.list_(pa.float16())),
    ]
)  # fmt: skip
LOG = logging.getLogger("diptych.gateway")
MOST_ROWS = 1_000
MOST_S = 60.0


def sampled_folder(root: Path) -> Path:
    """Return where the files of a workspace are; making it is the writer's business."""
    return served_folder(root) / "sampled"


class Samples:
    """The rows of one worker.

    Args:
        root: of the workspace; files come to .diptych/served/sampled/.
        share: of requests that are kept, 0 to 1.
        keep_days: after which a file goes.
        keep_mb: that all files may have together, in 2**20 bytes; the oldest go first.
    """

    def __init__(self, root: Path, share: float, keep_days: float = 30.0, keep_mb: float = 512.0) -> None:
        self.folder = sampled_folder(root)
        self._share = share
        self._keep_days, self._keep_mb = keep_days, keep_mb
        self._rows: list[Mapping[str, Any]] = []
        self._since = time.monotonic()
        self._random = random.Random()

    def take(self, row: Callable[[], Mapping[str, Any]]) -> None:
        """Keep a row, or not, as chance has it; only one that is kept is made."""
        if self._random.random() >= self._share:
            return
        made = {"at": datetime.now(UTC), **row()}
        self._rows.append(made)
        if len(self._rows) >= MOST_ROWS or time.monotonic() - self._since > MOST_S:
            self.write()

    def write(self) -> None:
        """Write what waits, and let go of what is too old or too much."""
        self.keep(self.hand_over())

    def hand_over(self) -> list[Mapping[str, Any]]:
        """Return what waits, which waits here no more. In the thread that takes rows alone, or one is lost."""
        self._since = time.monotonic()
        rows, self._rows = self._rows, []
        return rows

    def keep(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows that were handed over, in any thread; what cannot be written is lost, and counted in the log."""
        if not rows:
            return
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}.parquet"
        partial = self.folder / f".{name}"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            pq.write_table(_table(rows), partial)
            partial.replace(self.folder / name)
            shed(self.folder, self._keep_days, self._keep_mb)
        except (OSError, pa.ArrowException) as err:  # a full disk must take no answer away from anybody
            why = explained(err) if isinstance(err, OSError) else f"{type(err).__name__}: {err}"
            LOG.error("%d sampled requests were not kept: %s", len(rows), why)
            with suppress(OSError):
                partial.unlink(missing_ok=True)


def embedded(samples: Sequence[str | bytes], vectors: np.ndarray, stated: str) -> dict[str, Any]:
    """Return one input of a request, drawn by chance, as a row has it: those of one request are no witnesses of their own.

    Args:
        samples: texts, and pictures as bytes.
        vectors: [N D], of each.
        stated: the language that the client says its text is in; empty where it does not.
    """
    at = random.randrange(len(samples))
    chosen = samples[at]
    text = chosen if isinstance(chosen, str) else None
    return {
        "side": "image" if text is None else "text", "lang": language_of(text, stated), "embedding": vectors[at].astype(np.float16),
    }  # fmt: skip


def language_of(text: str | None, stated: str) -> str | None:
    """Return the language that a client states, else what the letters tell; None where there is no text."""
    return None if text is None else stated_language(stated) or language_by_script(text)


def shed(folder: Path, keep_days: float, keep_mb: float) -> None:
    """Delete the files that are too old, and the oldest of too many; another worker may do so at the same time."""
    oldest_first = sorted(
        (*folder.glob("*.parquet"), *folder.glob(".*.parquet")), key=lambda path: path.name.lstrip(".")
    )
    sizes = {path: _size(path) for path in oldest_first}
    left, too_old = sum(sizes.values()), f"{datetime.now(UTC) - timedelta(days=keep_days):%Y%m%dT%H%M%S}"
    for path in oldest_first:
        if path.name.lstrip(".") >= too_old and left <= keep_mb * 2**20:
            break
        path.unlink(missing_ok=True)
        left -= sizes[path]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return the rows; vectors go in as they are, since a list of Python's numbers takes a hundred times as long."""
    vectors = [row.get("embedding") for row in rows]
    ends = np.cumsum([0, *(0 if vector is None else len(vector) for vector in vectors)], dtype=np.int32)
    numbers = np.concatenate([np.zeros(0, np.float16), *(vector for vector in vectors if vector is not None)])
    there = pa.array([vector is None for vector in vectors])
    lists = pa.ListArray.from_arrays(pa.array(ends), pa.array(numbers), mask=there)
    columns = {
        name: lists if name == "embedding" else pa.array([row.get(name) for row in rows], SCHEMA.field(name).type)
        for name in SCHEMA.names
    }
    return pa.table(columns, SCHEMA)
