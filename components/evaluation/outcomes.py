"""What a model got, query by query: the rows that its numbers are counted over, as the stage evaluate kept them."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.contracts.errors import DataError
from components.contracts.evaluate import Tally
from components.contracts.model_files import LICENCES

# Columns by which a query is asked again: spoilt, or by what was fitted on other pictures.
AGAIN = frozenset({"change", "strength", "shots", "draw"})
# Kind of metric -> what of its `method` each model chose for itself by val, which is an answer of its and not how it was asked.
CHOSEN = {"probe": r".+", "knn": r".+", "segmentation": r"(?<=below a cosine of )-?\d\.\d+"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """An evaluation that was kept.

    Args:
        label: the version, such as `clip@3`.
        metrics: name -> what metrics.json says of it.
        rows: name -> a row a query.
        licences: of the pictures trained on -> how many; empty where nobody wrote it down.
    """

    label: str
    metrics: Mapping[str, Mapping[str, Any]]
    rows: Mapping[str, pa.Table]
    licences: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, label: str) -> "Evaluated":
        """Read what the stage wrote; DataError when it is not whole."""
        try:
            metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
            kept = folder / LICENCES
            licences = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
            rows = {path.stem: pq.read_table(path) for path in sorted((folder / "rows").glob("*.parquet"))}
        except (OSError, ValueError, pa.ArrowException) as err:
            raise DataError(
                f"the evaluation of {label} in {folder} cannot be read ({type(err).__name__}: {err}). Make it again: dvc repro"
            ) from err
        return cls(label=label, metrics=metrics, rows=rows, licences=licences)

    @property
    def canary(self) -> dict[str, float]:
        """What the model and the pictures that never change gave: where it is another, the evaluation was another."""
        return {name: metric["value"] for name, metric in self.metrics.items() if name.split(".")[0] == "canary"}

    def data_of(self, metric: str) -> str | None:
        """Return the digest of what a metric was measured on; None where nobody wrote it down."""
        return self.metrics[metric].get("data")

    def tallies(self, metric: str) -> tuple[Tally, ...]:
        """Return which rows the metric is counted over; none where they were not kept."""
        tallies = tuple(Tally(**one) for one in self.metrics[metric].get("tallies", ()))
        return tallies if all(tally.rows in self.rows for tally in tallies) else ()

    def counted(self, tally: Tally) -> pa.Table:
        """Return `query`, `group` and `value` of the rows that count, by query; DataError where a query stands twice.

        A row that has nothing in the column was not asked.
        """
        table = self.rows[tally.rows]
        try:
            for column, value in tally.where.items():
                table = table.filter(pc.equal(table[column], value))
            table = table.filter(pc.is_valid(table[tally.column]))
            column = table[tally.column]
            value = column if tally.at_most is None else pc.less_equal(column, tally.at_most)
            found = pa.table({
                "query": table["query"], "group": table["group"], "value": value.cast(pa.float64()),
            }).sort_by("query")  # fmt: skip
        except (KeyError, pa.ArrowException) as err:
            raise DataError(
                f"rows/{tally.rows}.parquet of {self.label} does not have what its metric is counted over ({err}). Make the evaluation again: dvc repro"
            ) from err
        queries = found["query"].to_numpy(zero_copy_only=False)
        if len(twice := queries[1:][queries[1:] == queries[:-1]]):
            raise DataError(
                f"rows/{tally.rows}.parquet of {self.label} has the query {twice[0]!r} twice, so that the two models cannot be held against "
                "each other. Give each a name of its own."
            )
        return found


def distinct_queries(tallies: Sequence[Tally], tables: Sequence[pa.Table]) -> int:
    """Return how many queries several tallies were asked: one that counts at several k, spoilt in several ways or in several draws, is one.

    Args:
        tallies: of a metric.
        tables: what each counts, with `query`.
    """
    names: dict[tuple[object, ...], list[pa.ChunkedArray]] = {}
    for tally, table in zip(tallies, tables, strict=True):
        way = (tally.rows, *sorted((column, value) for column, value in tally.where.items() if column not in AGAIN))
        had = names.setdefault(way, [])
        if not any(table["query"].equals(one) for one in had):
            had.append(table["query"])
    return sum(
        len(set().union(*(one.to_pylist() for one in had))) if had[1:] else len(had[0]) for had in names.values()
    )


def incomparable(first: Evaluated, second: Evaluated, metric: str) -> str:
    """Return why two evaluations cannot be held against each other query by query in a metric; "" where they can."""
    lacks = [one.label for one in (first, second) if metric not in one.metrics]
    if lacks:
        return f"{lacks[0]} was not measured on it"
    if unknown := [one.label for one in (first, second) if not one.canary and (first.canary or second.canary)]:
        return f"{unknown[0]} was measured without the canary, so nobody knows whether it was measured alike. Measure it again"
    if first.canary != second.canary:
        return "measured otherwise, as the canary says"
    if first.data_of(metric) != second.data_of(metric) or first.data_of(metric) is None:
        return "measured on other data"
    if not first.tallies(metric) or not second.tallies(metric):
        return "no row a query"
    return "" if first.tallies(metric) == second.tallies(metric) else "counted over other rows, as recall at other k is"


def asked_otherwise(first: Evaluated, second: Evaluated, metric: str) -> bool:
    """Return whether two evaluations say of a metric that they asked in other ways; one that does not say how may have asked alike."""
    chosen = CHOSEN.get(metric.partition(".")[0], r"(?!)")
    methods = (one.metrics[metric].get("method") for one in (first, second))
    return len({re.sub(chosen, "", method) for method in methods if method is not None}) > 1
