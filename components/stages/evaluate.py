"""Stage evaluate: retrieval and what else the recipe lists, each number beside chance and a baseline."""

import hashlib
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from components.contracts.errors import ConfigError
from components.contracts.evaluate import Metric
from components.contracts.evaluator import Evaluator, Findings, Subject
from components.contracts.model_files import ADAPTED, AGAINST, LICENCES, TRANSFORMS, WEIGHTS
from components.contracts.sample import TEST_SPLITS
from components.contracts.sealed import digest_of, sha256_of
from components.data.beside import read_kind
from components.data.fingerprint import fingerprints
from components.data.manifest import read_manifest
from components.data.regions import REGIONS, regions_of
from components.data.selection import Pool, languages_of, of_split, read_pool
from components.data.series import SERIES, series_in
from components.data.transforms.preprocess import Preprocess
from components.evaluation.canary import Canary
from components.evaluation.kept import once, write
from components.evaluation.leakage import Leakage
from components.evaluation.old_index import OldIndex
from components.evaluation.on_set import naming
from components.evaluation.retrieval import Retrieval
from components.evaluation.subject import TrainedModel
from components.recipes.evaluators import build_evaluators
from components.recipes.old_model import OldModel
from components.recipes.params import Begin, load_params
from components.recipes.recipe import Recipe, load_recipe
from components.recipes.trained import load_trained, load_untrained
from components.stages.against_start import against_start
from components.stages.asked_labels import labels_asked
from components.stages.asked_sets import pool_digest, read_sets
from components.stages.replayed import replayed_of
from components.stages.runtime import run_stage
from components.stages.stage import Stage


def body(stage: Stage) -> None:
    """Write runs/<recipe>/evaluate: metrics.json, without.json, one row a query, and what evaluators leave for others."""
    params = load_params(stage.root)
    recipe = load_recipe(stage.root, stage.the_recipe, params.scale)
    model = stage.root / f"runs/{recipe.name}/finetune"
    pools, adapted = pools_of(stage.root, recipe.name), (model / ADAPTED).exists()
    also: list[Evaluator] = [asks for asks in (labels_asked(model, start=False),) if asks] if adapted else []
    if old := params.recipes.get(recipe.name, Begin()).compatible_with:
        also.append(OldIndex(OldModel.read(stage.root / old)))
    found = measured(stage, recipe, params.seed, model, pools, resumes=True, also=also)
    if adapted:
        start = stage.root / f"runs/{recipe.name}/pretrain"
        asked = [asks for asks in (labels_asked(model, start=True),) if asks]
        before = measured(stage, recipe, params.seed, start, pools, resumes=True, also=asked)
        found = replace(found, files={**found.files, AGAINST: against_start(found, before, params.seed)})
    for what, why in found.without.items():
        print(f"{what} is not measured: {why}", flush=True)
    with stage.output(f"runs/{recipe.name}/evaluate") as out:
        write(replace(found, files={**found.files, LICENCES: licences_of(stage.root, recipe.name)}), out)


def measured(
    stage: Stage, recipe: Recipe, seed: int, model: Path, pools: Mapping[str, pa.Table], resumes: bool = False,
    also: Sequence[Evaluator] = (),
) -> Findings:  # fmt: skip
    """Return what the recipe's evaluators find of the model of a folder, each number with the digests of its data and weights.

    Args:
        resumes: whether what each evaluator found is kept, so that a stage that was stopped goes on with the next.
        also: evaluators beside the recipe's.
    """
    always: list[Evaluator] = [Retrieval(recipe.evaluation.ks), Canary()]
    with read_sets(stage, recipe.evaluation.sets, recipe.evaluation.ks, pools) as sets:
        subject = subject_of(stage, recipe, seed, model, pools)
        others = {name: its.pool for name, its in sets.items()}
        to_fit = {name: its.to_fit for name, its in sets.items() if its.to_fit is not None}
        by_set = {  # so that a set is encoded once
            name: subject.on({name: pool}, {name: to_fit[name]} if name in to_fit else {})
            for name, pool in others.items()
        }
        asked: list[tuple[Evaluator, Subject]] = [
            *((one, subject) for one in (*always, *build_evaluators(recipe.evaluation), *also)),
            (Leakage(again_of(model)), subject.on({**subject.pools, **others})),
            *((one, by_set[name]) for name, its in sets.items() for one in its.evaluators),
        ]
        digests = {split: pool_digest(manifest, stage.root / "data/raw") for split, manifest in pools.items()}
        digests |= {name: its.digest for name, its in sets.items()}
        series = stage.root / "data/raw" / SERIES.file
        inputs = [stage.root / f"data/curated/{recipe.name}", model / WEIGHTS, *([series] if series.exists() else [])]
        of_sets = {name: [its.without, its.fitted_digest] for name, its in sets.items()}
        numbers = [digests, seed, [spelled(one) for one, _ in asked], of_sets]
        kept = stage.resume_dir(inputs, numbers) if resumes else None
        shown = {**others, **{f"{name}, its split to fit on": pool for name, pool in to_fit.items()}}
        with naming(shown, Preprocess.from_json((model / TRANSFORMS).read_text(encoding="utf-8"))):
            found = joined(asked, kept, digests, sha256_of(model / WEIGHTS))
    without = {f"part of {name}": its.without for name, its in sets.items() if its.without}
    return replace(found, without={**found.without, **without})


def spelled(value: object) -> object:
    """Return what an evaluator was given as plain values, with the class of whatever else it holds."""
    if isinstance(value, Mapping):
        return {str(key): spelled(one) for key, one in value.items()}
    if isinstance(value, list | tuple | range):
        return [spelled(one) for one in value]
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, np.ndarray):
        return {"sha256": hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest(), "shape": list(value.shape)}
    holds = {one.name: getattr(value, one.name) for one in fields(value)} if is_dataclass(value) else vars(value)
    return {
        "class": f"{type(value).__module__}.{type(value).__qualname__}",
        **{name: spelled(one) for name, one in holds.items()},
    }


def stamped(found: Findings, pools: Mapping[str, str], weights: str) -> Findings:
    """Return the same with digests: of the split that a metric names after its kind, else of all splits together.

    Args:
        pools: of those that were looked at. What a metric says itself of its data stays.
        weights: of the model.
    """
    whole = digest_of(pools)
    return replace(
        found,
        metrics=tuple(
            replace(metric, data=metric.data or pools.get(metric.name.split(".")[1], whole), weights=weights)
            for metric in found.metrics
        ),
    )


def licences_of(root: Path, recipe: str) -> dict[str, int]:
    """Return how many of the pictures that a recipe was trained on have each licence, the most frequent first."""
    trained = of_split(read_manifest(root / f"data/curated/{recipe}/manifest.parquet"), "train")
    again = replayed_of(root / f"runs/{recipe}/finetune")
    counts = Counter(trained["licence"].to_pylist())
    return dict((counts if again is None else counts + Counter(again["licence"].to_pylist())).most_common())


def again_of(model: Path) -> dict[str, str]:
    """Return the fingerprint of the pixels of each picture that a model learnt from again -> its key."""
    rows = replayed_of(model)
    if rows is None:
        return {}
    return dict(zip(fingerprints(rows).to_pylist(), rows["key"].to_pylist(), strict=True))


def pools_of(root: Path, recipe: str) -> dict[str, pa.Table]:
    """Return the manifests of val and of the test splits, of those that this data has; source.json says why it has no others."""
    selection = read_manifest(root / f"data/curated/{recipe}/manifest.parquet")
    pools = {"val": of_split(selection, "val")}
    pools |= {split: read_manifest(root / f"data/evaluation/{split}/manifest.parquet") for split in TEST_SPLITS}
    return {split: manifest for split, manifest in pools.items() if len(manifest)}


def subject_of(stage: Stage, recipe: Recipe, seed: int, model: Path, pools: Mapping[str, pa.Table]) -> TrainedModel:
    """Return the model of a folder with the pictures that this recipe was trained on, and the pools."""
    raw, selection = stage.root / "data/raw", read_manifest(stage.root / f"data/curated/{recipe.name}/manifest.parquet")
    batch, regions = recipe.evaluation.batch, read_kind(raw, REGIONS)

    def pool(manifest: pa.Table) -> Pool:
        read = replace(read_pool(manifest, raw), languages=languages_of(manifest))
        read = replace(read, series=series_in(raw, read.keys))
        return read if regions is None else replace(read, regions=regions_of(regions, read.keys))

    return TrainedModel(
        encoder=load_trained(model, batch),
        untrained=lambda: load_untrained(model, seed, batch),
        train=read_pool(of_split(selection, "train"), raw),
        pools={split: pool(manifest) for split, manifest in pools.items()},
        seed=seed,
        progress=stage.progress,
    )


def joined(
    asked: Sequence[tuple[Evaluator, Subject]],
    kept: Path | None = None,
    digests: Mapping[str, str] | None = None,
    weights: str = "",
) -> Findings:
    """Return what all evaluators found, each of its subject; ConfigError when two give one name, so that neither overwrites the other.

    Args:
        kept: in a folder of it is kept what each found, from which one that was interrupted goes on.
        digests: of each pool; None leaves numbers without digests.
        weights: digest of the model's.
    """
    metrics: dict[str, Metric] = {}
    rows: dict[str, list[pa.Table]] = {}
    files: dict[str, object] = {}
    without: dict[str, str] = {}
    for place, (evaluator, subject) in enumerate(asked):
        found = once(evaluator, subject, kept and kept / f"{place}-{type(evaluator).__name__}")
        if digests is not None:
            found = stamped(found, {name: digests[name] for name in subject.pools}, weights)
        named = {metric.name: metric for metric in found.metrics}
        twice = [name for name in (*named, *found.files) if name in metrics or name in files]
        if twice or len(named) < len(found.metrics):
            raise ConfigError(
                f"{type(evaluator).__name__} gives {', '.join(twice) or 'a metric'} a second time, and one of the two would "
                "be lost. Take one of them out of the recipe's evaluation.evaluators, or of those of a set, or set served for one alone."
            )
        metrics |= named
        files |= found.files
        without |= found.without
        for name, table in found.rows.items():
            rows.setdefault(name, []).append(table)
    tables = {name: pa.concat_tables(parts, promote_options="default") for name, parts in rows.items()}
    return Findings(metrics=tuple(metrics.values()), rows=tables, files=files, without=without)


if __name__ == "__main__":
    sys.exit(run_stage("evaluate", body))
