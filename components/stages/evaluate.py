"""Stage evaluate: retrieval and what else the recipe lists, each number beside chance and a baseline."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts.errors import ConfigError
from components.contracts.evaluate import Metric
from components.contracts.evaluator import Evaluator, Findings, Subject
from components.contracts.sample import TEST_SPLITS
from components.data.beside import read_kind
from components.data.manifest import read_manifest
from components.data.regions import REGIONS, regions_of
from components.data.selection import Pool, languages_of, of_split, read_pool
from components.evaluation.retrieval import Retrieval
from components.evaluation.subject import TrainedModel
from components.recipes.evaluators import build_evaluators
from components.recipes.params import load_params
from components.recipes.recipe import Recipe, load_recipe
from components.recipes.trained import load_trained, load_untrained
from components.stages.runtime import run_stage
from components.stages.stage import Stage


def body(stage: Stage) -> None:
    """Write runs/<recipe>/evaluate: metrics.json, without.json, one row a query, and what evaluators leave for others."""
    params = load_params(stage.root)
    recipe = load_recipe(stage.root, stage.the_recipe, params.scale)
    evaluators: list[Evaluator] = [Retrieval(recipe.evaluation.ks), *build_evaluators(recipe.evaluation)]
    found = joined(evaluators, subject_of(stage, recipe, params.seed))
    for what, why in found.without.items():
        print(f"{what} is not measured: {why}", flush=True)
    with stage.output(f"runs/{recipe.name}/evaluate") as out:
        write(found, out)


def subject_of(stage: Stage, recipe: Recipe, seed: int) -> Subject:
    """Return the finetuned model with the splits that this data has; source.json says why it has no others."""
    raw, selection = stage.root / "data/raw", read_manifest(stage.root / f"data/curated/{recipe.name}/manifest.parquet")
    folder, batch = stage.root / f"runs/{recipe.name}/finetune", recipe.evaluation.batch
    pools = {"val": of_split(selection, "val")}
    pools |= {split: read_manifest(stage.root / f"data/evaluation/{split}/manifest.parquet") for split in TEST_SPLITS}
    regions = read_kind(raw, REGIONS)

    def pool(manifest: pa.Table) -> Pool:
        read = replace(read_pool(manifest, raw), languages=languages_of(manifest))
        return read if regions is None else replace(read, regions=regions_of(regions, read.keys))

    return TrainedModel(
        encoder=load_trained(folder, batch),
        untrained=lambda: load_untrained(folder, seed, batch),
        train=read_pool(of_split(selection, "train"), raw),
        pools={split: pool(manifest) for split, manifest in pools.items() if len(manifest)},
        seed=seed,
        progress=stage.progress,
    )


def joined(evaluators: list[Evaluator], subject: Subject) -> Findings:
    """Return what all of them found; ConfigError when two give one name, so that neither overwrites the other."""
    metrics: dict[str, Metric] = {}
    rows: dict[str, list[pa.Table]] = {}
    files: dict[str, object] = {}
    without: dict[str, str] = {}
    for evaluator in evaluators:
        found = evaluator.measure(subject)
        named = {metric.name: metric for metric in found.metrics}
        twice = [name for name in (*named, *found.files) if name in metrics or name in files]
        if twice or len(named) < len(found.metrics):
            raise ConfigError(
                f"{type(evaluator).__name__} gives {', '.join(twice) or 'a metric'} a second time, and one of the two would "
                "be lost. Take one of them out of the recipe's evaluation.evaluators, or set served for one alone."
            )
        metrics |= named
        files |= found.files
        without |= found.without
        for name, table in found.rows.items():
            rows.setdefault(name, []).append(table)
    tables = {name: pa.concat_tables(parts) for name, parts in rows.items()}
    return Findings(metrics=tuple(metrics.values()), rows=tables, files=files, without=without)


def write(found: Findings, out: Path) -> None:
    """Write metrics.json, without.json, rows/<name>.parquet and the files that evaluators leave."""
    (out / "rows").mkdir()
    for name, table in found.rows.items():
        pq.write_table(table, out / "rows" / f"{name}.parquet")
    named = {metric.name: metric.as_json() for metric in found.metrics}
    for file, value in {**found.files, "metrics.json": named, "without.json": dict(found.without)}.items():
        (out / file).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(run_stage("evaluate", body))
