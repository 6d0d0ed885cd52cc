"""Stage evaluate: retrieval on every pool, beside chance and the no-training baseline."""

import json
import sys

import pyarrow.parquet as pq

from components.contracts.sample import TEST_SPLITS
from components.data.manifest import read_manifest
from components.data.selection import of_split, read_pool
from components.evaluation.neighbour import NearestNeighbour
from components.evaluation.retrieval import Gallery, retrieval
from components.recipes.params import load_params
from components.recipes.recipe import load_recipe
from components.recipes.trained import load_trained
from components.stages.runtime import run_stage
from components.stages.stage import Stage


def body(stage: Stage) -> None:
    """Write runs/<recipe>/evaluate: metrics.json, and one row a query and split."""
    recipe = load_recipe(stage.root, stage.the_recipe, load_params(stage.root).scale)
    raw, selection = stage.root / "data/raw", read_manifest(stage.root / f"data/curated/{recipe.name}/manifest.parquet")
    embedder = load_trained(stage.root / f"runs/{recipe.name}/finetune", recipe.evaluation.batch)
    seen = read_pool(of_split(selection, "train"), raw)
    baseline = NearestNeighbour(seen.pictures, seen.captions, stage.progress)
    pools = {"val": of_split(selection, "val")}
    pools |= {split: read_manifest(stage.root / f"data/evaluation/{split}/manifest.parquet") for split in TEST_SPLITS}
    metrics = []
    with stage.output(f"runs/{recipe.name}/evaluate") as out:
        (out / "rows").mkdir()
        for split, manifest in pools.items():
            if not len(manifest):
                continue  # source.json says why this data has no such split
            pool = read_pool(manifest, raw)
            gallery = Gallery.of(pool.keys, pool.captions, pool.concepts)
            pictures = embedder.pictures(pool.pictures, stage.progress, f"encoding {split}")
            scores = pictures @ embedder.texts(gallery.texts).T
            measured, rows = retrieval(
                split,
                gallery,
                scores,
                baseline.scores(pool.pictures, gallery.texts, stage.progress),
                recipe.evaluation.ks,
            )
            metrics += measured
            pq.write_table(rows, out / "rows" / f"retrieval.{split}.parquet")
        named = {metric.name: metric.as_json() for metric in metrics}
        (out / "metrics.json").write_text(json.dumps(named, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(run_stage("evaluate", body))
