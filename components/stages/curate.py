"""Stage curate: which of the clean samples this recipe trains on."""

import json
import sys

from components.curation.select import select_splits
from components.data.manifest import read_manifest, write_manifest
from components.recipes.recipe import load_curation
from components.stages.runtime import run_stage
from components.stages.stage import Stage


def body(stage: Stage) -> None:
    """Write data/curated/<recipe>: a selection, and how it came about."""
    curation = load_curation(stage.root, stage.the_recipe)
    clean = read_manifest(stage.root / "data/validated/manifest.parquet")
    with stage.output(f"data/curated/{stage.the_recipe}") as folder:
        selected, report = select_splits(clean, curation.splits)
        stage.progress("selecting", len(clean), len(clean))
        write_manifest(selected, folder / "manifest.parquet")
        (folder / "report.json").write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(run_stage("curate", body))
