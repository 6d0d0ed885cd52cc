"""From a source to a snapshot: shards per split, the manifest, and source.json, which says what came in.

Shards hold one split each, so that training never opens a file with test pictures. What cannot be decoded comes in
like the rest; validation counts it and sets it aside.
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
from components.contracts.sample import SPLITS, Sample
from components.contracts.source import Source
from components.data.manifest import LABELS, ManifestWriter
from components.data.pictures import Look, look
from components.data.shards import SHARD_BYTES, ShardWriter
from components.data.transforms.preprocess import BadImage


def ingest(
    source: Source, raw: Path, seed: int, progress: Progress = silent, shard_bytes: int = SHARD_BYTES
) -> dict[str, Any]:
    """Write `raw`/<split>/*.tar, manifest.parquet and source.json, and return what source.json holds.

    Memory stays bounded by a row group and a picture, however large the source. Raises DataError when `raw` already
    holds a snapshot, or when the source gives nothing.
    """
    if raw.exists() and any(raw.iterdir()):
        raise DataError(
            f"{raw} is not empty, and a snapshot is never written over another. Give a new folder, or delete it."
        )
    raw.mkdir(parents=True, exist_ok=True)
    counts: Counter[tuple[str, str]] = Counter()
    with ExitStack() as stack:
        shards = {split: stack.enter_context(ShardWriter(raw, split, shard_bytes)) for split in SPLITS}
        manifest = stack.enter_context(ManifestWriter(raw / "manifest.parquet"))
        for sample in source.samples(seed, progress):
            if sample.split not in shards:
                raise DataError(
                    f"sample {sample.key} is of split {sample.split!r}; the splits are {', '.join(SPLITS)}."
                )
            shard, offset = shards[sample.split].add(sample)
            manifest.add(manifest_row(sample, shard, offset))
            counts[sample.split, sample.source] += 1
    if not manifest.rows_written or manifest.rows_written != sum(counts.values()):
        raise DataError(
            f"the source gave {sum(counts.values())} samples and {manifest.rows_written} reached the manifest. "
            "Nothing can be built on that; look at the source's settings in params.yaml."
        )
    came_in = {
        "source": source.describe(),
        "seed": seed,
        "samples": manifest.rows_written,
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
    """Return the manifest's row of a sample whose picture was written at `offset` bytes of `shard`."""
    data = sample.media[0].data
    try:
        seen: Look | None = look(data)
    except BadImage:
        seen = None
    return {
        "key": sample.key,
        "split": sample.split,
        "source": sample.source,
        "licence": sample.licence,
        "shard": shard,
        "offset": offset,
        "size_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "pixel_sha256": seen and seen.pixel_sha256,
        "width": seen and seen.width,
        "height": seen and seen.height,
        "texts": [asdict(text) for text in sample.texts],
        "labels": {name: sample.labels.get(name) for name in LABELS},
    }
