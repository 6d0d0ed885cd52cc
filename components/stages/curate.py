"""Stage curate: which of the clean samples this recipe trains on."""

import json
import sys
from dataclasses import asdict

from components.contracts.needs import Needs
from components.curation.needed import select_needed
from components.curation.select import select_splits
from components.data.beside import rows_of, write_kind
from components.data.kinds import BY_NAME, read_kinds
from components.data.manifest import read_manifest, write_manifest
from components.recipes.params import load_params
from components.recipes.recipe import load_curation, load_needs
from components.stages.runtime import run_stage
from components.stages.stage import Stage


def body(stage: Stage) -> None:
    """Write data/curated/<recipe>: a selection, and how it came about."""
    curation = load_curation(stage.root, stage.the_recipe)
    clean = read_manifest(stage.root / "data/validated/manifest.parquet")
    with stage.output(f"data/curated/{stage.the_recipe}") as folder:
        selected, report = select_splits(clean, curation.splits)
        said = report.as_json()
        if curation.needs != Needs():
            needs = load_needs(stage.root, stage.the_recipe, load_params(stage.root).scale)
            kinds = {
                kind: rows_of(table, selected) for kind, table in read_kinds(stage.root / "data/validated").items()
            }
            selected, needed, lines = select_needed(stage.the_recipe, needs, selected, kinds, curation.splits)
            said["needs"] = needed.as_json() | {"checks": [asdict(line) for line in lines]}
            for kind in needs.kinds:
                write_kind(rows_of(kinds[kind], selected), folder, BY_NAME[kind])
        stage.progress("selecting", len(clean), len(clean))
        write_manifest(selected, folder / "manifest.parquet")
        (folder / "report.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(run_stage("curate", body))
