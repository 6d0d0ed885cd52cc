"""What catalogue.yaml says of a metric by its name alone: who gives it, and whether two models can be held against each other in it."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

CATALOGUE = Path(__file__).with_name("catalogue.yaml")


@cache
def read_catalogue() -> Mapping[str, Mapping[str, Any]]:
    """Return name of an evaluator -> its row."""
    rows: dict[str, dict[str, Any]] = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    return rows


def kind_of(metric: str) -> str:
    """Return what a name begins with, which it has from its evaluator: `retrieval` of `retrieval.pair.mean_recall`."""
    return metric.partition(".")[0]


def kinds() -> dict[str, str]:
    """Return kind of metric -> class path of the evaluator that gives it."""
    return {
        pattern.partition(r"\.")[0]: row["class_path"]
        for row in read_catalogue().values()
        for pattern in row["metrics"]
    }


def why_no_rows(metric: str) -> str | None:
    """Return why no row a query is kept of a metric, so that two models cannot be held against each other in it; None where rows are kept.

    A name that no pattern has, as what only other numbers of an evaluator would give, is taken for one of its kind where all of these are alike.
    """
    said = _metrics()
    for pattern, its in said.items():
        if re.fullmatch(pattern, metric):
            return its.get("no_rows")
    alike = [its.get("no_rows") for pattern, its in said.items() if pattern.partition(r"\.")[0] == kind_of(metric)]
    return alike[0] if alike and all(alike) else None


def with_rows(kind: str) -> list[str]:
    """Return which metrics of a kind can be compared query by query, as a person would name them: `retrieval.*.mean_recall`."""
    return [
        _readable(pattern)
        for pattern, its in _metrics().items()
        if pattern.partition(r"\.")[0] == kind and "no_rows" not in its
    ]


def kinds_with_rows() -> list[str]:
    """Return the kinds of which at least one metric can be compared query by query."""
    return [kind for kind in kinds() if with_rows(kind)]


def better(metric: str) -> str:
    """Return which way is better, `up` or `down`; `up` where no pattern has the name."""
    found = (its["better"] for pattern, its in _metrics().items() if re.fullmatch(pattern, metric))
    return str(next(found, "up"))


def unit(metric: str) -> str | None:
    """Return the unit of a metric; None where no pattern has the name."""
    return next((its["unit"] for pattern, its in _metrics().items() if re.fullmatch(pattern, metric)), None)


def _metrics() -> dict[str, Mapping[str, str]]:
    return {pattern: its for row in read_catalogue().values() for pattern, its in row["metrics"].items()}


def _readable(pattern: str) -> str:
    without = re.sub(r"\([^()]*\)\?|\(\?![^()]*\)", "", pattern)  # what may be left out, and what may not stand there
    return without.replace(r"\.", ".").replace(r"\w+", "*").replace(r"\d+", "K")
