"""`diptych data remove`: take pictures back out of data/raw, keep them out, and name every model version that saw them.

Goes step by step, each of which may be done twice, and a plan in .diptych says how far it is meant to go: after a kill, the next
call finishes it first. The takedown list comes first, so that no ingest in between brings a picture back.
"""

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, chdir
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import Progress, silent
from components.data.aside import Aside
from components.data.manifest import SCHEMA, read_manifest
from components.data.versions.exchange import exchange, recover
from components.data.versions.keys import read_keys, split_known, unknown_keys, with_copies
from components.data.versions.without import without
from components.stages.lock import hold
from components.stages.place import private
from components.validation.takedown import LIST, add_lines
from flows.data.revisions import outs_of
from flows.graph import bring_code, why_stale
from flows.lineage.entries import RAW, Lineage, staged_at
from flows.start_learnt import forget, holding
from flows.start_learnt import lines_of as lines_of_learnt

PLAN = "plan.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one removal is to do.

    Args:
        why: a person's reason.
        before: digest of the snapshot that it starts from.
        commit: whether DVC is to be told that the new data/raw is what ingest makes now.
        stale: why it is not: what else ingest has to do.
        at: when it was asked for, ISO 8601.
        learnt: folders of `data/learnt` that have some of the samples.
    """

    why: str
    before: str
    commit: bool
    stale: tuple[str, ...]
    at: str
    learnt: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Done:
    """What a removal did, for whoever asked."""

    removed: list[str] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    finished_first: int = 0  # samples of a removal that had been killed
    before: str = ""
    digest: str = ""
    samples: int = 0
    repacked: int = 0
    kept_shards: int = 0
    listed: int = 0
    decoded: int = 0
    learnt: list[str] = field(default_factory=list)  # folders of data/learnt that had some of them
    stale: tuple[str, ...] = ()
    versions: list[dict[str, Any]] = field(default_factory=list)


def data_remove(
    root: Path, here: Path, keys: Sequence[str], file: Path | None, why: str, allow_unknown: bool, as_json: bool,
    progress: Progress = silent,
) -> None:  # fmt: skip
    """Remove, and print what was done.

    Raises DataError for unknown keys, unless they are allowed, and where nothing would be left, before anything is done; Busy
    while a run or another removal has the workspace.
    """
    asked = [*keys, *(read_keys(here / file) if file is not None else [])]
    done = remove(root, asked, why, allow_unknown, progress)
    print(json.dumps(asdict(done), ensure_ascii=False) if as_json else "\n".join(lines_of(done)), flush=True)


def remove(root: Path, keys: Sequence[str], why: str, allow_unknown: bool, progress: Progress = silent) -> Done:
    """Do what `data_remove` prints."""
    done = Done()
    with ExitStack() as stack:
        for name in ("workspace", "ingest"):
            stack.enter_context(hold(private(root, "locks") / f"{name}.lock", f"the workspace {root}"))
        folder = private(root, "remove")
        if (folder / PLAN).exists():
            first = _finish(root, folder, progress)
            done.finished_first, done.versions, done.digest = len(first.removed), first.versions, first.digest
        if not keys:
            if done.finished_first:
                return done
            raise ConfigError(
                "no sample is named. Name keys, or a file of them: diptych data remove KEY... or --keys FILE"
            )
        manifest = read_manifest(root / RAW / "manifest.parquet")
        known, done.unknown = split_known(keys, manifest)
        if done.unknown and not allow_unknown:
            raise unknown_keys(
                done.unknown, manifest, RAW, "Correct them, or add --allow-unknown to remove the others."
            )
        if not known:
            return done
        going = with_copies(_rows(manifest, known), manifest)
        if len(going) == len(manifest):
            raise DataError(
                f"all {len(manifest):,} samples of {RAW} would go, and nothing was done. Ingest other data instead."
            )
        _write_plan(root, folder, going, why)
        second = _finish(root, folder, progress)
        second.unknown, second.finished_first = done.unknown, done.finished_first
        second.removed, second.copies = known, sorted(set(second.removed) - set(known))
        return second


def _rows(manifest: pa.Table, keys: Sequence[str]) -> pa.Table:
    return manifest.filter(pc.is_in(manifest["key"], value_set=pa.array(keys, pa.string())))


def _write_plan(root: Path, folder: Path, going: pa.Table, why: str) -> None:
    """Keep what is to be done, whole or not at all; nothing was done yet."""
    shutil.rmtree(staged_at(root), ignore_errors=True)
    pq.write_table(going, folder / "going.parquet")
    before = json.loads((root / RAW / "source.json").read_text(encoding="utf-8"))["digest"]
    tracked = _tracked(root)
    stale = why_stale(root, ["ingest"])["ingest"] if tracked else ()
    plan = Plan(
        why=" ".join(why.split()), before=before, commit=tracked and not stale, stale=stale,
        at=datetime.now(UTC).isoformat(timespec="seconds"), learnt=tuple(holding(root, going)),
    )  # fmt: skip
    aside = Aside(folder / PLAN)
    with aside.explaining():
        aside.partial.write_text(json.dumps(asdict(plan)), encoding="utf-8")
        aside.put()


def _tracked(root: Path) -> bool:
    """Return whether DVC has this data/raw: a version that was never made by ingest is nobody's to commit."""
    lock = root / "dvc.lock"
    return lock.exists() and any(out.get("path") == RAW for out in outs_of(lock.read_text(encoding="utf-8")))


def _finish(root: Path, folder: Path, progress: Progress) -> Done:
    """Do all that the plan says and is not done yet."""
    said = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    plan = Plan(**{**said, **{name: tuple(said.get(name, ())) for name in ("stale", "learnt")}})
    going = pq.read_table(folder / "going.parquet", partitioning=None).cast(SCHEMA)
    done = Done(removed=going["key"].to_pylist(), before=plan.before, stale=plan.stale)
    done.listed = add_lines(root / LIST, lines_for(going, plan.at, plan.why))
    raw, staged = (root / RAW).resolve(), staged_at(root)
    recover(staged, raw)
    exchanged = _digest(staged) == plan.before
    if exchanged or _digest(raw) == plan.before:
        # After the exchange too: DVC, killed while it takes files into its cache, leaves some of them there alone.
        made = without(*((staged, raw) if exchanged else (raw, staged)), going, plan.why, progress)
        done.repacked, done.kept_shards = len(made.repacked), made.linked
        if not exchanged:
            exchange(staged, raw)
    now = json.loads((raw / "source.json").read_text(encoding="utf-8"))
    done.digest, done.samples = now["digest"], now["samples"]
    if plan.commit:
        _commit(root)
    done.decoded, done.learnt = forget_decoded(root), list(plan.learnt)
    forget(root, plan.learnt)
    done.versions = versions_that_saw(root, going)
    shutil.rmtree(staged, ignore_errors=True)
    (folder / PLAN).unlink()
    (folder / "going.parquet").unlink()
    return done


def _digest(raw: Path) -> str | None:
    path = raw / "source.json"
    return json.loads(path.read_text(encoding="utf-8"))["digest"] if path.exists() else None


def lines_for(pictures: pa.Table, at: str, why: str) -> dict[str, str]:
    """Return the lines of the takedown list: each picture by its file and by its pixels."""
    lines = {}
    for row in pictures.select(["key", "sha256", "pixel_sha256"]).to_pylist():
        for digest, what in ((row["sha256"], "this file"), (row["pixel_sha256"], "these pixels")):
            if digest:
                lines[digest] = f"{row['key']}, {what}: removed {at[:10]}{', ' if why else ''}{why}"
    return lines


def _commit(root: Path) -> None:
    """Let DVC take data/raw as what ingest makes of its inputs as they are; done twice, it is done once."""
    from dvc.repo import Repo

    for left in (root / RAW).rglob(".*.tmp"):  # what DVC, killed at this, leaves of its own: it would count as data
        left.unlink()
    bring_code(root)  # DVC takes what is there for the code of now
    logging.getLogger("dvc").setLevel(logging.WARNING)  # else it tells on the output that it writes dvc.lock
    with chdir(root), Repo(".", config={"core": {"site_cache_dir": str(private(root, "dvc"))}}) as repo:
        repo.commit("ingest", force=True)


def forget_decoded(root: Path) -> int:
    """Remove what else holds pictures of before, or what curation made of them; return how many sets of decoded ones that were.

    A set is all pictures of one split of one selection, and does not say which: all go, and are made again when they are needed.
    Embeddings and written captions are found by a digest of all rows that they were made of, so that no later run takes these.
    """
    shutil.rmtree(root / ".diptych/cache/features", ignore_errors=True)
    shutil.rmtree(root / ".diptych/resume/ingest", ignore_errors=True)  # shards of an ingest that was stopped
    decoded = root / ".diptych/cache/decoded"
    sets = list(decoded.glob("*.rows")) if decoded.exists() else []
    for path in [*decoded.glob("*.json"), *sets]:
        path.unlink(missing_ok=True)
    return len(sets)


def versions_that_saw(root: Path, pictures: pa.Table) -> list[dict[str, Any]]:
    """Return the model versions that saw pictures, by rows of a manifest; none where the workspace has no registry."""
    from components.registry.saw import who_saw
    from components.registry.store import open_store, store_uri

    uri = store_uri(root)
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        return []
    with Lineage(root) as lineage:
        return [saw.as_json() for saw in who_saw(open_store(root), pictures, lineage.manifest)]


def lines_of(done: Done, versions: bool = True) -> list[str]:
    """Return what was done, as sentences; those about model versions too, unless somebody else says them."""
    lines = []
    if done.finished_first:
        lines.append(f"a removal of {done.finished_first:,} samples that had been stopped was finished first")
    if done.unknown:
        lines.append(
            f"not there: {', '.join(done.unknown[:5])}{f' and {len(done.unknown) - 5:,} more' if len(done.unknown) > 5 else ''}"
        )
    if not done.removed:
        return lines if done.finished_first else [*lines, "nothing was done"]
    copies = (
        f", and {len(done.copies):,} more of the same pictures ({', '.join(done.copies[:5])})" if done.copies else ""
    )
    lines += [
        f"samples removed: {len(done.removed):,}{copies}; {done.repacked:,} shards packed again, {done.kept_shards:,} as they were",
        f"{RAW} has {done.samples:,} samples, digest {done.digest[:12]}; before {done.before[:12]}",
        f"{LIST} has {done.listed:,} more lines, so that no ingest brings them back; commit it with dvc.lock",
    ]
    if done.decoded:
        lines.append(f"{done.decoded:,} sets of decoded pictures are gone, and are made again when they are needed")
    lines += lines_of_learnt(done.learnt)
    if done.stale:
        lines.append(f"ingest has more to do ({'; '.join(done.stale)}); the next run ingests again, without them")
    lines += _said_of_versions(done.versions) if versions else []
    lines.append("the version before is in DVC's cache and remotes until nobody's commit needs it: dvc gc --help")
    return lines


def _said_of_versions(versions: Sequence[Mapping[str, Any]]) -> list[str]:
    if not versions:
        return ["no model version saw them"]
    lines = ["model versions that saw them:"]
    for one in versions:
        aliases = f" ({', '.join(one['aliases'])})" if one["aliases"] else ""
        how = ", ".join(f"{what} {count:,}" for what, count in one["how"].items())
        lines.append(f"  {one['version']}{aliases}: {how or 'cannot be told: ' + str(one['cannot_tell'])}")
    return lines
