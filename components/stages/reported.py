"""What report.html of a model says, gathered from what the stages before left and from the model itself."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.contracts.model_files import ADAPTED, AGAINST, LICENCES, WEIGHTS
from components.contracts.sample import SPLITS
from components.contracts.sealed import sha256_of
from components.data.manifest import read_manifest, snapshot_digest
from components.data.selection import SOURCE, Pool, of_split
from components.evaluation.adapting import advice
from components.evaluation.atlas import Atlas, Placed, atlas
from components.evaluation.cases import Case, Pictures, cases
from components.evaluation.confusion import Confusion
from components.evaluation.embedding import Embedder
from components.evaluation.examples import Example, nearest_pictures
from components.evaluation.hard_data import Hard, near_pictures
from components.evaluation.report.costs import Costs
from components.evaluation.report.data import UNKNOWN, Data, steps_of
from components.evaluation.report.lineage import BESIDE, Lineage
from components.evaluation.sliced import Sliced, measured, of_retrieval
from components.evaluation.wanted import Wanted, kinds_of, of_captions, of_labels

SHOWN_SPLIT = "pair"  # held-out pictures of known things: every source has them
QUERIES, SHOWN = 8, 6  # on the page: queries, and pictures for each
GROUPED = ("category", SOURCE)  # of what parts are shown where the recipe lists no Slices


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """The pictures of the index.

    Args:
        pool: the samples.
        splits: of each.
        embeddings: unit rows in the shared space.
    """

    pool: Pool
    splits: Sequence[str]
    embeddings: np.ndarray

    @property
    def held(self) -> list[int]:
        """Return the places of the held-out pictures of known things."""
        return [place for place, split in enumerate(self.splits) if split == SHOWN_SPLIT]


def examples(embedder: Embedder, of: Indexed) -> tuple[list[Example], str]:
    """Return texts with what they find among the held-out pictures of known things, or all if those are few, and a title."""
    pool, held = of.pool, of.held
    kept, called = (held, "held-out ") if len(held) >= QUERIES * SHOWN else (list(range(len(pool))), "")
    found = nearest_pictures(
        embedder.texts, [pool.captions[i][0] for i in kept], [pool.concepts[i] for i in kept],
        [pool.pictures[i] for i in kept], of.embeddings[kept], QUERIES, SHOWN,
    )  # fmt: skip
    return found, f"The nearest of {len(kept):,} {called}pictures to a text, nearest first. Green: what it names."


def typical(evaluated: Path, of: Indexed) -> dict[str, dict[str, list[Case]]]:
    """Return what the model got best, typically and worst on the held-out pictures; nothing where there are none."""
    rows, pool = evaluated / "rows" / f"retrieval.{SHOWN_SPLIT}.parquet", of.pool
    if not rows.exists():
        return {}
    pictures = Pictures(
        pictures={pool.keys[i]: pool.pictures[i] for i in of.held},
        captions={pool.keys[i]: pool.captions[i] for i in of.held},
    )
    return cases(pq.read_table(rows).to_pylist(), pictures)


def mapped(embedder: Embedder, of: Indexed) -> Atlas | None:
    """Return the map of the held-out pictures and of what they are called; None where there are none."""
    pool, held = of.pool, of.held
    if not held:
        return None
    groups = pool.labelled(GROUPED[0])
    named: dict[str, set[str | None]] = {}
    for i in held:
        named.setdefault(pool.captions[i][0], set()).add(groups[i])
    texts = list(named)
    return atlas(
        SHOWN_SPLIT,
        Placed(names=[pool.captions[i][0] for i in held], groups=[groups[i] for i in held], rows=of.embeddings[held]),
        Placed(
            names=texts,
            groups=[next(iter(its)) if len(its) == 1 else None for its in named.values()],
            rows=embedder.texts(texts),
        ),
        lambda at: pool.pictures[held[at]],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What adapting changed.

    Args:
        raced: as adapted.json has it; None of a model that was not adapted.
        held: as against_start.json has it.
        sentence: what came of it.
    """

    raced: Mapping[str, Any] | None = None
    held: Mapping[str, Any] | None = None
    sentence: str = ""


def changed_of(run: Path, of: Indexed) -> Changed:
    """Return what adapting changed; nothing of a model that was not adapted."""
    if not (run / "finetune" / ADAPTED).exists():
        return Changed()
    raced, held = _json(run / "finetune" / ADAPTED), _json(run / "evaluate" / AGAINST)
    near = copies_of(_json(run.parents[1] / "data/validated/report.json"))
    raced = {**raced, "hard": [*raced.get("hard", ()), *([asdict(near)] if near else [])]}
    return Changed(raced=raced, held=held, sentence=advice(raced, held, wanted_of(run / "evaluate", of, raced)))


def copies_of(validated: Mapping[str, Any]) -> Hard | None:
    """Return what there is to say of held-out pictures that look nearly like one that is learnt from, as the validation counted them."""
    aside, told = (validated[of].get("leak_near", {}).get("rows", 0) for of in ("reasons", "told"))
    held = sum(its["rows_in"] for split, its in validated["splits"].items() if split != "train")
    return near_pictures(
        aside or told, held, bool(aside), "and `gates.policy: {leak_near: drop}` in params.yaml sets them aside"
    )


def wanted_of(evaluated: Path, of: Indexed, raced: Mapping[str, Any]) -> Wanted | None:
    """Return of which kind of pictures more would help most, by what is missed of those that were held out: a label, where labels were asked for."""
    pool = of.pool
    if raced.get("labels"):
        return of_labels(_rows(evaluated, "zero_shot"), raced["metric"].split(".")[2])
    return of_captions(_rows(evaluated, "retrieval"), kinds_of(pool.keys, pool.captions, pool.labelled(GROUPED[0])))


def _rows(evaluated: Path, family: str) -> list[dict[str, Any]]:
    """Return what was asked about the held-out pictures of a person's own."""
    paths = [evaluated / "rows" / f"{family}.{split}.parquet" for split in ("val", SHOWN_SPLIT)]
    return [row for path in paths if path.exists() for row in pq.read_table(path).to_pylist()]


def confusions_of(evaluated: Path) -> dict[str, dict[str, Confusion]]:
    """Return label -> split -> what was taken for what; {} where nobody was asked to classify."""
    found: dict[str, dict[str, Confusion]] = {}
    for path in sorted((evaluated / "rows").glob("zero_shot.*.parquet")):
        rows = pq.read_table(path, columns=["set", "label", "first"]).to_pylist()
        for label in dict.fromkeys(row["set"] for row in rows):
            its = [row for row in rows if row["set"] == label]
            found.setdefault(label, {})[path.stem.partition(".")[2]] = Confusion.of(its)
    return found


def slices_of(evaluated: Path, metrics: Mapping[str, Mapping[str, Any]], of: Indexed, seed: int) -> list[Sliced]:
    """Return the parts that Slices measured; where the recipe does not list it, R@1 of the held-out pictures by category and by maker."""
    left = [
        path for path in sorted((evaluated / "rows").glob("slices.*.parquet")) if path.stem.count(".") == 1
    ]  # a row a slice, others a row a query
    found = [one for path in left for one in measured(pq.read_table(path).to_pylist(), metrics)]
    if any(one.split in SPLITS for one in found):
        return found
    path = evaluated / "rows" / f"retrieval.{SHOWN_SPLIT}.parquet"
    rows = pq.read_table(path).to_pylist() if path.exists() else []
    grouped = {label: dict(zip(of.pool.keys, of.pool.labelled(label), strict=True)) for label in GROUPED}
    own = (of_retrieval(rows, SHOWN_SPLIT, label, groups, seed) for label, groups in grouped.items())
    return [*(one for one in own if one is not None), *found]


def calibration_of(evaluated: Path) -> dict[str, Any]:
    """Return label -> split -> how sure the model was and how often right; {} where the recipe does not list Calibration."""
    files = sorted(evaluated.glob("calibration.*.json"))
    return {path.name.split(".")[1]: _json(path) for path in files}


def curves_of(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Return the curves a person looks at first: the loss, and recall on the validation split."""
    wanted = ("train.loss", "val.image_to_text.recall_at_1", "val.text_to_image.recall_at_1")
    with path.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    return {name: [(int(row["step"]), float(row[name])) for row in rows if row.get(name)] for name in wanted}


def data_of(root: Path, recipe: str, training: Mapping[str, Any]) -> Data:
    """Return where samples went step by step, and languages and licences of those trained on."""
    curated, validated = root / "data/curated" / recipe, _json(root / "data/validated/report.json")
    trained = of_split(read_manifest(curated / "manifest.parquet"), "train")
    spoken = pc.value_counts(pc.struct_field(pc.list_flatten(trained["texts"]), "lang")).to_pylist()
    often = sorted(spoken, key=lambda one: (-one["counts"], one["values"] or ""))
    return Data(
        validated=validated, digest=snapshot_digest(trained), steps=steps_of(validated, _json(curated / "report.json"), training),
        languages={one["values"] or UNKNOWN: one["counts"] for one in often}, licences=_json(root / "runs" / recipe / "evaluate" / LICENCES),
    )  # fmt: skip


def costs_of(
    embedder: Embedder, package: Path, metrics: Mapping[str, Mapping[str, Any]], training: Mapping[str, Any]
) -> Costs:
    """Return what a picture and a text cost, and how large the files are that serving needs."""
    sides: dict[str, dict[str, float]] = {
        side: {what: float(count) for what, count in counted.items()} for side, counted in embedder.cost().items()
    }
    timed = ""
    for side, counted in sides.items():
        if (measured_ms := metrics.get(f"cost.{side}.ms")) is not None:
            counted["ms"], timed = measured_ms["value"], measured_ms["method"]
    names = ("image_encoder.onnx", "text_encoder.onnx", "index.npy", WEIGHTS)
    a_step = training.get("timing", {}).get("flops_per_step")
    return Costs(
        sides=sides, timed=timed, files={name: (package / name).stat().st_size for name in names},
        training_flops=a_step and float(a_step) * training["steps"],
        training=f"{training['steps']:,} steps of {training['batch']:,} pairs",
    )  # fmt: skip


def lineage_of(package: Path, recipe: str, came_in: str, trained: str, training: Mapping[str, Any]) -> Lineage:
    """Return where a model comes from: digests of bytes alone, since those of code would make the same model another package.

    Args:
        package: the folder, its weights already there.
        recipe: its name.
        came_in: digest of the data as it came in.
        trained: digest of the samples that were trained on.
        training: metrics.json of stage pretrain.
    """
    digests = {"data, as it came in": came_in, "samples trained on": trained, "weights": sha256_of(package / WEIGHTS)}
    if (start := training.get("start")) is not None:
        digests["weights that it began from"] = start["digest"]
    return Lineage(
        digests=digests, beside=tuple(BESIDE),
        commands={
            "which version this is, and what is served": ".venv/bin/diptych status",
            "which stages stand between the data and this package": f".venv/bin/dvc dag package@{recipe}",
            "whether they are still what it was made from": ".venv/bin/dvc status",
        },
    )  # fmt: skip


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
