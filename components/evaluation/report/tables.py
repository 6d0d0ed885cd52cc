"""The numbers of a report as tables, each beside chance and baseline, and drawn."""

import html
from collections.abc import Iterable, Mapping
from typing import Any

from components.evaluation.report.bars import BARS_MEAN, bar
from components.evaluation.report.layout import said, table
from components.evaluation.wording import BASELINES_MEAN, between, every_row, percent, retrieval_rows, splits_of

COLUMNS = ("model", "95% between", "drawn", "chance", "baseline")
RETRIEVAL_MEANS = (
    "Recall at k: how often the right answer is among the first k. Chance is a blind guess. The baseline lends each picture the name of the "
    "training picture nearest to it by edges and colours. In 95 of 100 such cases what a model gets over all pictures of the kind lies between "
    f"the two ends. val was used to choose; no stage before evaluate can read the others. {BARS_MEAN}."
)


def retrieval(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the retrieval metrics as a table, and what they mean."""
    rows = [
        [
            row["split"], row["direction"], f"R@{row['k']}", f"<td class='n big'>{percent(row['value'])}</td>", between(row), bar(row),
            percent(row["chance"]), percent(row["baseline"]), f"{row['n']:,}",
        ]
        for row in retrieval_rows(metrics)
    ]  # fmt: skip
    head = ("split", "direction", "recall", *COLUMNS, "queries")
    return (
        table("Retrieval: recall by split and direction", head, rows, numbers=(3, 4, 6, 7, 8))
        + said(RETRIEVAL_MEANS)
        + _splits(row[0] for row in rows)
    )


def further(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what was measured beside retrieval as a table, each number with how it was asked; nothing where nothing was."""
    rows = [
        [
            f"<th scope=row class=long>{html.escape(row['asked'])}<br><span class=muted>{html.escape(row['method'])}</span></th>",
            row["split"], f"<td class='n big'>{row['value']}</td>", row["between"], bar(row["metric"]), row["chance"], row["baseline"],
            f"{row['n']:,}",
        ]
        for row in every_row(metrics)
    ]  # fmt: skip
    head = ("what, and how it was asked", "split", *COLUMNS, "n")
    shown = table("What else was measured", head, rows, numbers=(2, 3, 5, 6, 7))
    return shown + said(f"Baselines: {BASELINES_MEAN}.") + _splits(row[1] for row in rows) if rows else ""


def _splits(named: Iterable[str]) -> str:
    """Return what each of the splits is."""
    kept = dict.fromkeys(named)  # in their order: that of a set is another in each process
    means = {**splits_of(one for one in kept if one != "test"), "test": "pictures that no model here trains on"}
    return said("Splits: " + "; ".join(f"{split}, {what}" for split, what in means.items() if split in kept) + ".")
