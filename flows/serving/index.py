"""`diptych index`: an index of one's own pictures, in the space of what is served, made again or taken away."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contracts.errors import ConfigError, StaleArtifact
from components.contracts.progress import Progress
from components.data.processes import cores
from components.serving.endpoint import Endpoint
from components.serving.indexes import (
    Record,
    borrowed,
    checked_name,
    digest_of,
    index_file,
    index_folder,
    read_record,
    records,
    remove_index,
    spaces_of,
    write_record,
)
from components.serving.package import Package
from components.serving.routes import read_routes
from components.serving.search.own import clear_old, lay_out, size_of
from components.stages.lock import hold
from components.stages.place import private
from components.validation.takedown import LIST, read_takedown
from flows.data.check import Told, source_of
from flows.serving.embed import given

if TYPE_CHECKING:
    from components.serving.bulk import Given

LOCK = "index.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What was made.

    Args:
        record: of the index, as it is now.
        before: rows that were there from a run that was stopped.
        broken: pictures that could not be decoded, and are not found.
        rejected: records that were no samples, by reason.
    """

    record: Record
    before: int
    broken: int
    rejected: dict[str, int]


def index(root: Path, said: str, here: Path, name: str, as_json: bool) -> None:
    """Make an index of the pictures that `said` names, for every version that is served, and print what came of it.

    Args:
        root: of the workspace.
        said: as `diptych data check` takes it.
        here: where paths are said from.
        name: of the index.
        as_json: whether the counts are printed as JSON.

    Raises ConfigError for a name that an index cannot have, and where nothing is served; DataError for what cannot be read; Busy while another
    makes one, or a version of another space is being deployed.
    """
    from components.serving.scorer import open_package

    said = str((here / said).resolve()) if (here / said).exists() else said
    with hold(private(root, "locks") / LOCK, f"the indexes of {root}"):
        counts: list[dict[str, Any]] = []
        for endpoint in _served(root, checked_name(name)):
            package, _ = open_package(endpoint.label, root, root)
            if package.space != endpoint.space:
                raise StaleArtifact(
                    f"what is served as {endpoint.label} is not what the registry has by that name, so its vectors could not be compared. "
                    "Serve it again: diptych deploy"
                )
            made = make(root, name, said, package, endpoint.label, cores(), Told(sys.stderr, stage="index"))
            counts.append(
                {
                    "name": name, "model": endpoint.label, "space": package.space, "rows": made.record.rows, "broken": made.broken,
                    "before": made.before, "rejected": made.rejected,
                }
            )  # fmt: skip
    if as_json:
        print(json.dumps(counts))
        return
    for one in counts:
        before = f", {one['before']:,} of them by a run of before" if one["before"] else ""
        print(f"The index {name} has {one['rows'] - one['broken']:,} pictures by {one['model']}{before}.")
    if made.broken:
        print(f"{made.broken:,} pictures could not be decoded, and are not found.")
    if made.rejected:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in made.rejected.items())
        print(f"{sum(made.rejected.values()):,} records were no samples ({reasons}); diptych data check says which.")
    print(f'Search it with "index": "{name}" in POST /v1/search.')


def make(
    root: Path, name: str, said: str, package: Package, label: str, threads: int, progress: Progress, nice: int = 0
) -> Made:
    """Embed the pictures that `said` names with a package, and put the vectors in the place of those that were of its space; the lock is held.

    What is stopped leaves what was done, and what is searched stays as it was. Arguments and errors as of `embed_all`, and those of a source.
    """
    from components.serving.bulk import embed_all

    file = index_file(root, name, package.space)
    private(root, "index", name)
    partial = file.with_suffix(".new.parquet")
    partial.unlink(missing_ok=True)
    known, rejected = read_record(root, name), Counter[str]()
    samples = _allowed(root, given(source_of(said, root), rejected), rejected)
    total = known.rows if known is not None and known.said == said else 0
    found = embed_all(samples, package, label, partial, threads, total, progress, nice)
    lay_out(partial, file)
    digest, rows = digest_of(partial)
    partial.replace(file)
    clear_old(file)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    record = Record(name=name, said=said, digest=digest, rows=rows, made_at=at)
    write_record(root, record)
    return Made(record=record, before=found.before, broken=found.broken, rejected=dict(rejected))


def _allowed(root: Path, samples: "Iterable[Given]", rejected: Counter[str]) -> "Iterator[Given]":
    """Yield the samples whose pictures nobody has taken down; those are counted."""
    listed = root / LIST
    gone = read_takedown(listed).digests if listed.exists() else frozenset()
    for sample in samples:
        if gone and sample.sha256 in gone:
            rejected["taken down"] += 1
        else:
            yield sample


def list_indexes(root: Path, as_json: bool) -> str:
    """Return a line for each index: how many pictures, of what, for which of the versions that are served."""
    served = {endpoint.space: endpoint.label for endpoint in reversed(read_routes(root).endpoints)}
    found = [_listed(root, record, served) for record in records(root)]
    if as_json:
        return json.dumps(found)
    lines = []
    for one in found:
        lacking = ", ".join(
            label for space, label in served.items() if space not in {**one["spaces"], **one["by_words"]}
        )
        lacks = f"; none for {lacking}, which is served" if lacking else ""
        for space, of in one["by_words"].items():
            lacks += f"; {served[space]} searches it by words alone, by the vectors of {of}"
        if lacks:
            lacks += f": diptych index {one['of']} --name {one['name']}"
        lines.append(f"{one['name']}  {one['rows']:,} pictures of {one['of']}, made {one['made_at']}{lacks}")
    return "\n".join(lines) or "There are no indexes of your own: diptych index PICTURES makes one."


def _listed(root: Path, record: Record, served: dict[str, str]) -> dict[str, Any]:
    spaces = {}
    for space in spaces_of(root, record.name):
        pictures, width = size_of(root, record.name, space) or (None, None)
        spaces[space] = {"pictures": pictures, "width": width, "served": served.get(space)}
    by_words = {space: of.label for space in served if (of := borrowed(root, record.name, space)) is not None}
    return {
        "by_words": by_words, "name": record.name, "of": record.said, "rows": record.rows, "digest": record.digest, "made_at": record.made_at, "spaces": spaces,
    }  # fmt: skip


def remove(root: Path, name: str | None) -> str:
    """Take an index away, with all its vectors; return one sentence. ConfigError where there is none of that name, Busy while one is made."""
    if name is None:
        raise ConfigError("which index is to go? diptych index list says which there are: diptych index remove NAME")
    with hold(private(root, "locks") / LOCK, f"the indexes of {root}"):
        remove_index(root, name)
    return f"The index {name} is gone; the pictures it was of are where they were."


def _served(root: Path, name: str) -> list[Endpoint]:
    """Return one version of each space that is served; what stands beside the champion without a version of its own is left out."""
    routes = read_routes(root)
    versions = [one for one in routes.endpoints if one == routes.main or "@" in one.label]
    one_each = {endpoint.space: endpoint for endpoint in reversed(versions)}
    if not one_each:
        where = index_folder(root, name)
        told = (
            ""
            if where.exists()
            else f" diptych embed IN OUT.parquet needs none: it makes a file of vectors, and no index {name}."
        )
        raise ConfigError(
            f"no model is served here that could search an index. Run make run, which ends with one.{told}"
        )
    return list(one_each.values())
