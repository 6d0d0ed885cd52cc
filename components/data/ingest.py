"""From a source to a snapshot: shards per split, the manifest, the quarantine, and source.json, which says what came in.

Shards hold one split each, so that training never opens a file with test pictures. Every record that the source meets is
a sample or a row of quarantine.parquet. What cannot be decoded comes in like the rest; validation sets it aside.
"""

import hashlib
import json
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from components.contracts.errors import DataError
from components.contracts.progress import Progress, silent
from components.contracts.reject import Reject
from components.contracts.sample import SPLITS, Sample
from components.contracts.source import Source
from components.data.manifest import LABELS, ManifestWriter
from components.data.pictures import Look, look
from components.data.quarantine import QuarantineWriter, in_order
from components.data.shards import SHARD_BYTES, ShardWriter
from components.data.transforms.preprocess import BadImage


def ingest(
    source: Source, raw: Path, seed: int, progress: Progress = silent, shard_bytes: int = SHARD_BYTES
) -> dict[str, Any]:
    """Write `raw`/<split>/*.tar, manifest.parquet, quarantine.parquet and source.json, and return what source.json holds.

    There, rows_in = samples + quarantined. Memory stays bounded by a row group and a picture, however large the source.
    Raises DataError when `raw` already holds a snapshot, when the source gives no sample, or when a record is lost.
    """
    if raw.exists() and any(raw.iterdir()):
        raise DataError(
            f"{raw} is not empty, and a snapshot is never written over another. Give a new folder, or delete it."
        )
    raw.mkdir(parents=True, exist_ok=True)
    counts: Counter[tuple[str, str]] = Counter()
    rows_in = 0
    with ExitStack() as stack:
        shards = {split: stack.enter_context(ShardWriter(raw, split, shard_bytes)) for split in SPLITS}
        manifest = stack.enter_context(ManifestWriter(raw / "manifest.parquet"))
        quarantine = stack.enter_context(QuarantineWriter(raw / "quarantine.parquet"))
        for record in source.samples(seed, progress):
            rows_in += 1
            if isinstance(record, Reject):
                quarantine.add(record)
                continue
            if record.split not in shards:
                raise DataError(
                    f"sample {record.key} is of split {record.split!r}; the splits are {', '.join(SPLITS)}."
                )
            shard, offset = shards[record.split].add(record)
            manifest.add(manifest_row(record, shard, offset) | _seen(record.media[0].data))
            counts[record.split, record.source] += 1
    rejected = in_order(quarantine.counts)
    if not manifest.rows_written or manifest.rows_written != sum(counts.values()):
        why = f" Set aside: {', '.join(f'{code} ({rows:,})' for code, rows in rejected.items())}." if rejected else ""
        raise DataError(
            f"the source gave {sum(counts.values())} samples and {manifest.rows_written} reached the manifest.{why} "
            "Nothing can be built on that; look at the source's settings in params.yaml."
        )
    if rows_in != manifest.rows_written + quarantine.rows_written:
        raise DataError(
            f"{rows_in:,} records came in, but {manifest.rows_written:,} samples and {quarantine.rows_written:,} rows of "
            "quarantine were written. A record was lost: this is a fault in ingest; please report it."
        )
    came_in = {
        "source": source.describe(),
        "seed": seed,
        "rows_in": rows_in,
        "samples": manifest.rows_written,
        "quarantined": quarantine.rows_written,
        "rejected": rejected,
        "digest": manifest.digest.hexdigest(),
        "splits": {split: sum(n for (its, _), n in counts.items() if its == split) for split in SPLITS},
        "designers": {
            who: {split: counts[split, who] for split in SPLITS if counts[split, who]}
            for who in sorted({who for _, who in counts})
        },
    }
    (raw / "source.json").write_text(json.dumps(came_in, indent=2, ensure_ascii=False) + "\n")
    return came_in


def manifest_row(sample: Sample, shard: str, offset: int) -> dict[str, Any]:
    """Return the manifest's row of a sample whose picture is at `offset` bytes of `shard`, without what the picture shows."""
    return {
        "key": sample.key,
        "split": sample.split,
        "source": sample.source,
        "licence": sample.licence,
        "shard": shard,
        "offset": offset,
        "size_bytes": len(sample.media[0].data),
        "texts": [asdict(text) for text in sample.texts],
        "labels": {name: sample.labels.get(name) for name in LABELS},
    }


def _seen(data: bytes) -> dict[str, Any]:
    """Return the columns that the picture fills; null where it cannot be decoded."""
    try:
        seen: Look | None = look(data)
    except BadImage:
        seen = None
    return {
        "sha256": hashlib.sha256(data).hexdigest(),
        "pixel_sha256": seen and seen.pixel_sha256,
        "width": seen and seen.width,
        "height": seen and seen.height,
    }
