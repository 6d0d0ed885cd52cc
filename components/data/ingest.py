"""From a source to a snapshot: shards per split, the manifest, the quarantine, and source.json, which says what came in.

Shards hold one split each, so that training never opens a file with test pictures. Every record that the source meets is
a sample or a row of quarantine.parquet. What cannot be decoded comes in like the rest; validation sets it aside.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from components.contracts.errors import DataError
from components.contracts.progress import Progress, silent
from components.contracts.reject import Reject
from components.contracts.sample import SPLITS, Sample
from components.contracts.source import Source
from components.data.alone import alone
from components.data.aside import Aside
from components.data.beside import KindWriter
from components.data.kept import KeptShards, SourceChanged
from components.data.kinds import KINDS
from components.data.manifest import LABELS, ManifestWriter
from components.data.quarantine import QuarantineWriter, in_order
from components.data.seeing import seen_in_order
from components.data.seen import Seeing, Seen
from components.data.shard_writer import SHARD_BYTES, ShardWriter


def ingest(
    source: Source,
    raw: Path,
    seed: int,
    progress: Progress = silent,
    shard_bytes: int = SHARD_BYTES,
    processes: int = 0,
    kept: KeptShards | None = None,
) -> dict[str, Any]:
    """Write `raw`/<split>/*.tar, manifest.parquet, quarantine.parquet and source.json, and return what source.json holds.

    There, rows_in = samples + quarantined. Memory stays bounded by a row group and some pictures, however large the source.
    Left by an exception, `raw` is an empty folder.

    Args:
        processes: that look at pictures, 0 for this one alone; no byte depends on it.
        kept: where shards are kept as they become whole, and used again by the next run after this one was killed. No
            byte depends on it. `progress` is told how many were used.

    Raises DataError when `raw` already holds a snapshot, when the source gives no sample, or when a record is lost; Busy
    when another process writes there; TransientError when a process was lost; OSError (ENOSPC, EFBIG), with the file's
    name, when the disk has no room.
    """
    with ExitStack() as stack:
        for folder in (raw, *([kept.folder] if kept is not None else [])):
            stack.enter_context(alone(folder))
        if any(raw.iterdir()):
            raise DataError(
                f"{raw} is not empty, and a snapshot is never written over another. Give a new folder, or delete it."
            )
        bring_in = partial(_bring_in, source, raw, seed, _telling(progress, kept), shard_bytes, processes, kept)
        try:
            try:
                return bring_in()
            except SourceChanged:
                assert kept is not None
                kept.forget()
                _clear(raw)
                return bring_in()
        except BaseException:
            _clear(raw)
            raise


def _bring_in(
    source: Source,
    raw: Path,
    seed: int,
    progress: Progress,
    shard_bytes: int,
    processes: int,
    kept: KeptShards | None,
) -> dict[str, Any]:
    counts: Counter[tuple[str, str]] = Counter()
    rows_in = 0
    with ExitStack() as stack:
        shards = {split: stack.enter_context(ShardWriter(raw, split, shard_bytes, kept)) for split in SPLITS}
        manifest = stack.enter_context(ManifestWriter(raw / "manifest.parquet"))
        quarantine = stack.enter_context(QuarantineWriter(raw / "quarantine.parquet"))
        beside = [stack.enter_context(KindWriter(raw, kind)) for kind in KINDS]
        placed = _placed(source.samples(seed, progress), shards, beside)
        looked = seen_in_order(Seeing(), placed, processes)
        for record, seen in stack.enter_context(closing(looked)):
            rows_in += 1
            if isinstance(record, Reject):
                quarantine.add(record)
                continue
            assert seen is not None
            if kept is not None:
                kept.add(raw, record["shard"], seen)
            manifest.add(record | asdict(seen))
            counts[record["split"], record["source"]] += 1
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
    came_in |= {table.kind.name: table.counted for table in beside if any(table.counted.values())}
    aside = Aside(raw / "source.json")
    with aside.explaining():
        aside.partial.write_text(json.dumps(came_in, indent=2, ensure_ascii=False) + "\n")
        aside.put()
    return came_in


def _placed(
    records: Iterator[Sample | Reject], shards: Mapping[str, ShardWriter], beside: Sequence[KindWriter]
) -> Iterator[tuple[dict[str, Any] | Reject, bytes | Seen | None]]:
    """Write each sample into a shard, and yield its manifest row, without what Seen has, with that or the picture to see."""
    for record in records:
        if isinstance(record, Reject):
            yield record, None
            continue
        if record.split not in shards:
            raise DataError(f"sample {record.key} is of split {record.split!r}; the splits are {', '.join(SPLITS)}.")
        for table in beside:
            table.add(record)
        shard, offset, seen = shards[record.split].add(record)
        yield manifest_row(record, shard, offset), seen or record.media[0].data


def manifest_row(sample: Sample, shard: str, offset: int) -> dict[str, Any]:
    """Return the manifest's row of a sample whose picture was written at `offset` bytes of `shard`, without what Seen has."""
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


def _telling(progress: Progress, kept: KeptShards | None) -> Progress:
    """Return what tells `progress` also of the kept shards that were used, once there are any."""

    def tell(doing: str, done: int, total: int, **seen: float) -> None:
        used = {"shards_kept": float(kept.used)} if kept is not None and kept.used else {}
        progress(doing, done, total, **seen, **used)

    return tell


def _clear(folder: Path) -> None:
    """Remove what was written into a folder that was empty."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
