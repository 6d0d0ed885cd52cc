"""The pictures that `diptych adapt --to` learns from, chooses by and tests on: brought in once, and anew where they changed before anything was learnt from them."""

import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contracts.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

    from components.contracts.progress import Progress
    from components.contracts.source import Source
    from components.data.selection import Pool
    from components.evaluation.hard_data import Hard
    from flows.adapt import Asked

HEATS, WANTED = ".heats", "wanted.json"


def pools_of(asked: "Asked", here: Path, folder: Path, told: "Progress") -> "tuple[dict[str, Pool], Hard | None]":
    """Bring the pictures in, set aside what is broken or is in two splits, and return what is learnt from, chosen by and tested on, and what is said of copies.

    Raises ConfigError where other pictures were brought in before, and heats of them were kept; and where a split has none.
    """
    from components.data.listing import listing
    from components.data.manifest import read_manifest
    from components.data.quarantine import read_quarantine
    from components.data.remote.addresses import REMOTE
    from components.data.selection import of_split, read_pool
    from components.data.series import series_in
    from flows.data.check import source_of

    is_here = not REMOTE.match(asked.data)  # else what was brought in is gone on with, whatever lies there now
    files = listing(source_of(asked.data, here), folder.parent) if is_here else ""
    wanted = {"data": asked.data, "seed": asked.seed, "files": files}
    if folder.exists() and (before := _brought_in(folder)) != wanted:
        check_unlearnt(asked.data, folder.parent, before, wanted)
        (folder / WANTED).unlink(missing_ok=True)  # first, so that of what is taken away in part nothing is used
        shutil.rmtree(folder)
    if not folder.exists():
        _bring_in(source_of(asked.data, here), asked.seed, folder, wanted, told)
    raw, validated, evaluation = (folder / name for name in ("raw", "validated", "evaluation"))
    clean = read_manifest(validated / "manifest.parquet")
    splits = {
        "train": of_split(clean, "train"),
        "val": of_split(clean, "val"),
        "pair": read_manifest(evaluation / "pair/manifest.parquet"),
    }
    lacking = [name for name, manifest in splits.items() if not len(manifest)]
    if lacking:
        raise ConfigError(
            f"of {len(clean):,} pictures none is left for {' and '.join(lacking)}: what is measured must not be what was learnt from. Bring more "
            f"pictures; {validated / 'report.html'} says what was set aside."
        )
    near = {row["key"] for row in read_quarantine(validated / "told.parquet") if row["reason"] == "leak_near"}
    splits, said = without_copies(splits, near)
    pools = {name: read_pool(manifest, raw) for name, manifest in splits.items()}
    return {name: replace(pool, series=series_in(raw, pool.keys)) for name, pool in pools.items()}, said


def _brought_in(folder: Path) -> dict[str, Any]:
    """Return what is said of the pictures that were brought in; nothing of what is taken away in part."""
    path = folder / WANTED
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def check_unlearnt(data: str, out: Path, before: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise ConfigError where heats were kept of pictures that were brought in before: what is gone on with would be of others than these."""
    from components.stages.heats import any_kept

    if not any_kept(out / HEATS):
        return
    asked_alike = all(before.get(name) == wanted[name] for name in ("data", "seed"))
    why = (
        f"the pictures of {data} are not those that {out} was begun with: files came, went or changed, and heats were run on what was there"
        if asked_alike
        else f"{out} was begun with other pictures or another seed, and goes on with those alone"
    )
    raise ConfigError(f"{why}. Name a new folder: --to DIR.")


def _bring_in(source: "Source", seed: int, folder: Path, wanted: Mapping[str, Any], told: "Progress") -> None:
    """Write what a source has, whole or not at all, with what validation finds of it and what was wanted."""
    from components.data.ingest import ingest
    from components.data.new_folder import new_folder
    from components.validation.validate import validate

    with new_folder(folder) as made:
        raw, validated, evaluation = (made / name for name in ("raw", "validated", "evaluation"))
        for place in (raw, validated, evaluation):
            place.mkdir()
        ingest(source, raw, seed, told)
        validate(
            raw, validated, evaluation, max_broken=1.0, seed=seed, failed_report=made / "failed.html", progress=told
        )
        (made / WANTED).write_text(json.dumps(wanted), encoding="utf-8")


def without_copies(
    splits: "Mapping[str, pa.Table]", near: Collection[str]
) -> "tuple[dict[str, pa.Table], Hard | None]":
    """Return the manifests without held-out pictures that are nearly copies of what is learnt from, where enough others are left, and what there is to say of it.

    Args:
        splits: `train`, and those that are held out.
        near: keys of such pictures.
    """
    from components.evaluation.hard_data import LEFT, near_pictures

    held = {name: manifest for name, manifest in splits.items() if name != "train"}
    left = {
        name: manifest.filter([key not in near for key in manifest["key"].to_pylist()])
        for name, manifest in held.items()
    }
    of, kept = (sum(map(len, manifests.values())) for manifests in (held, left))
    set_aside = all(len(left[name]) >= LEFT * len(manifest) for name, manifest in held.items())
    return {**splits, **(left if set_aside else {})}, near_pictures(of - kept, of, set_aside)
