"""A snapshot without some of its samples: their shards are packed again, all others are the same files under a second name.

Every sample that went is in quarantine.parquet afterwards, with why, so that the counts still add up. What was whole when it was
stopped is used by the next try.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.errors import DataError
from components.contracts.progress import Progress, silent
from components.contracts.sample import SPLITS
from components.data.aside import Aside
from components.data.beside import rows_of, write_kind
from components.data.kept import link
from components.data.kinds import KINDS, read_kinds
from components.data.manifest import read_manifest, write_manifest
from components.data.quarantine import QuarantineWriter, in_order, read_quarantine
from components.data.shards import open_pictures
from components.data.versions.repacked import repack

REASON = "takedown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Without:
    """What was made.

    Args:
        digest: of the new snapshot; before: of the old one.
        samples: that stay.
        removed: rows of the old manifest.
        repacked: shards that were packed again, or are gone for nothing was left in them.
        linked: shards that are the old ones.
    """

    digest: str
    before: str
    samples: int
    removed: pa.Table
    repacked: tuple[str, ...]
    linked: int


def without(raw: Path, out: Path, going: pa.Table, why: str, progress: Progress = silent) -> Without:
    """Write into `out` the snapshot in `raw` without the rows `going`; what a try that was stopped left in `out` is used.

    Args:
        going: rows of the manifest of `raw`.
        why: a person's reason, which quarantine.parquet and source.json keep.

    Raises DataError when nothing would be left, or a shard is not as the manifest says.
    """
    manifest = read_manifest(raw / "manifest.parquet")
    came_in = json.loads((raw / "source.json").read_text(encoding="utf-8"))
    gone = np.asarray(pc.is_in(manifest["key"], value_set=going["key"].combine_chunks()))
    stays = manifest.filter(pa.array(~gone))
    if not len(stays):
        raise DataError(
            f"all {len(manifest):,} samples of {raw} would go, and a snapshot without samples is none. Delete the folder, or ingest "
            "other data."
        )
    out.mkdir(parents=True, exist_ok=True)
    touched = going["shard"].unique().to_pylist()
    others = sorted(set(manifest["shard"].unique().to_pylist()) - set(touched))
    for done, shard in enumerate(others, 1):
        if not _is_there(raw / shard, out / shard):
            link(raw / shard, out / shard)
        progress("keep shards", done, len(others))
    stays = _repacked(raw, out, stays, touched, progress)
    digest = write_manifest(stays, out / "manifest.parquet")
    counted = _beside(raw, out, stays)
    rejected = _quarantine(raw, out, going, why)
    said_now = _came_in(came_in, stays, going, rejected, digest, why) | counted
    _write_json(out / "source.json", {name: its for name, its in said_now.items() if its is not None})
    return Without(
        digest=digest,
        before=came_in["digest"],
        samples=len(stays),
        removed=going,
        repacked=tuple(touched),
        linked=len(others),
    )


def _is_there(shard: Path, to: Path) -> bool:
    """Return whether it was put there before; it has its name only when it is whole."""
    return to.exists() and (to.samefile(shard) or to.stat().st_size == shard.stat().st_size)


def _repacked(raw: Path, out: Path, stays: pa.Table, touched: list[str], progress: Progress) -> pa.Table:
    """Pack shards again, look that every picture is where it should be, and return the rows with their new places."""
    shards, offsets = np.asarray(stays["shard"].to_pylist(), object), stays["offset"].to_numpy().copy()
    for done, shard in enumerate(touched, 1):
        places = np.flatnonzero(shards == shard)
        if len(places):
            (out / shard).parent.mkdir(parents=True, exist_ok=True)
            rows = stays.take(pa.array(places)).select(["key", "offset", "size_bytes"]).to_pylist()
            order = sorted(range(len(rows)), key=lambda at: rows[at]["offset"])
            offsets[places[order]] = repack(raw / shard, out / shard, [rows[at] for at in order])
        progress("pack shards again", done, len(touched))
    stays = stays.set_column(stays.schema.get_field_index("offset"), stays.schema.field("offset"), pa.array(offsets))
    packed = stays.filter(pc.is_in(stays["shard"], value_set=pa.array(touched, pa.string())))
    try:
        for _ in open_pictures(out, packed):
            pass
    except DataError:
        for shard in touched:  # the next try makes them anew
            (out / shard).unlink(missing_ok=True)
        raise
    return stays


def _beside(raw: Path, out: Path, stays: pa.Table) -> dict[str, dict[str, int] | None]:
    """Write the tables of kinds without rows of samples that went; return what source.json keeps of each, None of one that is gone."""
    by_name: dict[str, dict[str, int] | None] = {}
    for kind in KINDS:
        table = read_kinds(raw).get(kind.name)
        if table is None:
            continue
        kept = rows_of(table, stays)
        by_name[kind.name] = kind.count(kept.to_pylist()) if len(kept) else None
        if len(kept):
            write_kind(kept, out, kind)
        else:
            (out / kind.file).unlink(missing_ok=True)
    return by_name


def _quarantine(raw: Path, out: Path, going: pa.Table, why: str) -> Counter[str]:
    """Write what was set aside before, and a row for each sample that goes."""
    with QuarantineWriter(out / "quarantine.parquet") as writer:
        writer.add_rows(read_quarantine(raw / "quarantine.parquet"))
        for row in going.select(["key", "shard"]).to_pylist():
            detail = f"it was removed: {why}" if why else "it was removed"
            writer.add_rows([{"key": row["key"], "member": row["shard"], "reason": REASON, "detail": detail}])
    return writer.counts


def _came_in(
    before: Mapping[str, Any], stays: pa.Table, going: pa.Table, rejected: Counter[str], digest: str, why: str
) -> dict[str, Any]:
    """Return what source.json says now: counts of what is there, and which version it was made from."""
    counts = Counter(zip(stays["split"].to_pylist(), stays["source"].to_pylist(), strict=True))
    removal = {"from": before["digest"], "samples": len(going), "why": why}
    said = {
        **before, "samples": len(stays), "quarantined": rejected.total(), "rejected": in_order(rejected), "digest": digest,
        "splits": {split: sum(n for (its, _), n in counts.items() if its == split) for split in SPLITS},
        "designers": {
            who: {split: counts[split, who] for split in SPLITS if counts[split, who]} for who in before["designers"]
        },
        "removed": [*before.get("removed", []), removal],
    }  # fmt: skip
    source = dict(before.get("source") or {})
    if isinstance(source.get("examples"), list):  # captions: none may be of a picture that went
        words = {text["text"] for texts in stays["texts"].to_pylist() for text in texts or ()}
        source["examples"] = [one for one in source["examples"] if one in words]
        said["source"] = source
    return said


def _write_json(path: Path, said: Mapping[str, Any]) -> None:
    aside = Aside(path)
    with aside.explaining():
        aside.partial.write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        aside.put()
