"""Stage curate: which of the clean samples this recipe trains on."""

import json
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.contracts.embedder import Embedder
from components.contracts.errors import DataError
from components.contracts.needs import Needs
from components.curation.making import Making
from components.curation.needed import select_needed
from components.curation.on_ray import OnRay
from components.curation.page import render_page
from components.curation.pieces import Engine, InProcess
from components.curation.pipeline import curated
from components.curation.plain import PLAIN, PlainEmbedder
from components.curation.select import select_splits
from components.data.beside import read_kind, rows_of, rows_of_made, write_kind
from components.data.kinds import BY_NAME, read_kinds
from components.data.manifest import SCHEMA, read_manifest, write_manifest
from components.data.processes import cores
from components.data.seeing import MOST
from components.data.series import SERIES
from components.recipes.curation import build_ops
from components.recipes.params import load_params
from components.recipes.recipe import Curation, load_curation, load_needs, load_scale
from components.stages.place import private
from components.stages.runtime import run_stage
from components.stages.stage import Stage

TRAINED = "train"  # the split that steps see; what is watched and chosen by stays as it is


def body(stage: Stage) -> None:
    """Write data/curated/<recipe>: a selection, and how it came about."""
    curation = load_curation(stage.root, stage.the_recipe)
    clean = read_manifest(stage.root / "data/validated/manifest.parquet")
    with stage.output(f"data/curated/{stage.the_recipe}") as folder:
        selected, report = select_splits(clean, curation.splits)
        said = report.as_json()
        stage.progress("selecting", len(clean), len(clean))
        if curation.ops:
            selected, said["ops"] = _curated(stage, curation, selected, folder)
        if curation.needs != Needs():
            needs = load_needs(stage.root, stage.the_recipe, load_params(stage.root).scale)
            kinds = {
                kind: rows_of_made(table, selected, clean)
                for kind, table in read_kinds(stage.root / "data/validated").items()
            }
            selected, needed, lines = select_needed(stage.the_recipe, needs, selected, kinds, curation.splits)
            said["needs"] = needed.as_json() | {"checks": [asdict(line) for line in lines]}
            for kind in needs.kinds:
                write_kind(rows_of(kinds[kind], selected), folder, BY_NAME[kind])
        series = read_kind(stage.root / "data/validated", SERIES)
        if series is not None and len(its := rows_of_made(series, selected, clean)):
            write_kind(its, folder, SERIES)  # by which pictures that choose are kept apart
        write_manifest(selected, folder / "manifest.parquet")
        (folder / "report.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def _curated(
    stage: Stage, curation: Curation, selected: pa.Table, folder: Path
) -> tuple[pa.Table, list[dict[str, Any]]]:
    """Return the selection with what the steps left of the training split, and their reports; write both's page and columns."""
    params = load_params(stage.root)
    trained = pc.equal(selected["split"], TRAINED)
    with _engine(stage, curation) as engine:
        models = {name: partial(_open, said, stage.root, engine.threads) for name, said in curation.models.items()}
        making = Making(stage.root / "data/raw", models, private(stage.root, "cache", "features"), engine)
        table, reports = curated(build_ops(curation), selected.filter(trained), making, params.seed, stage.progress)
    if len(table) < (
        batch := load_scale(stage.root, params.scale).batch
    ):  # which pretrain asks again, since a batch changes nothing here
        raise DataError(
            f"curation left {len(table):,} training samples, fewer than the batch of {batch:,} that the scale {params.scale} or "
            "overrides.training has, so not even one step could be taken. Ask for less in curation.ops, bring more data, or choose a "
            "smaller batch or scale."
        )
    added = [name for name in table.column_names if name not in SCHEMA.names]
    pq.write_table(table.select(["key", *added]), folder / "columns.parquet", compression="zstd")
    for report in reports:
        for warning in report.warnings:
            print(f"{stage.address}: {report.op}: {warning}", flush=True)
    said = [report.as_json() for report in reports]
    (folder / "report.html").write_text(render_page(stage.the_recipe, said), encoding="utf-8")
    left = pa.concat_tables([table.select(SCHEMA.names), selected.filter(pc.invert(trained))])
    return left.take(_as_before(left, selected)), said


def _as_before(left: pa.Table, selected: pa.Table) -> pa.Array:
    """Return the order in which samples stood before, those that were made behind all others."""
    place = pc.fill_null(pc.index_in(left["key"], selected["key"].combine_chunks()), len(selected))
    return pc.sort_indices(
        pa.table({"place": place, "key": left["key"]}), [("place", "ascending"), ("key", "ascending")]
    )


def _engine(stage: Stage, curation: Curation) -> AbstractContextManager[Engine]:
    if curation.engine == "ray":
        return OnRay(stage.progress, curation.cpus)
    return nullcontext(InProcess(stage.progress, curation.cpus or min(cores(), MOST)))


def _open(said: str, root: Path, threads: int) -> Embedder:
    if said == PLAIN:
        return PlainEmbedder()
    from components.serving.embedder import open_embedder  # only who asks for a model loads what runs one

    return open_embedder(said, root, root, threads)


if __name__ == "__main__":
    sys.exit(run_stage("curate", body))
