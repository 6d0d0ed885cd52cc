"""Two versions side by side: every number that either has, and how far apart they are on the queries that both were asked. One file, as report.html."""

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components.contracts.errors import DataError
from components.contracts.promotion import Rules
from components.evaluation.bootstrap import FEWEST, middle
from components.evaluation.gate import compared
from components.evaluation.outcomes import Evaluated, asked_otherwise, incomparable
from components.evaluation.report.layout import Section, document, said, table
from components.evaluation.ruled import amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """One metric of two versions.

    Args:
        name: of the metric.
        first: what metrics.json of the first says of it; None where it was not measured.
        second: the same of the second.
        difference: second less first; None where a version lacks it.
        low: end of the 95% interval of the difference; None where the two were not asked the same queries, or rows were not kept.
        high: its other end.
        why: why there is no interval; empty where there is one.
        otherwise: whether the two were asked in other ways, as by other prompts.
    """

    name: str
    first: Mapping[str, Any] | None
    second: Mapping[str, Any] | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    why: str = ""
    otherwise: bool = False


def beside(first: Evaluated, second: Evaluated, seed: int = 0) -> Iterator[Beside]:
    """Yield every metric that either has, those of the first in its order, then what the second has besides."""
    for name in dict.fromkeys([*first.metrics, *second.metrics]):
        one, other = first.metrics.get(name), second.metrics.get(name)
        if one is None or other is None:
            yield Beside(
                name=name, first=one, second=other, why=f"only {(second if one is None else first).label} has it"
            )
            continue
        change = float(other["value"]) - float(one["value"])
        if why := incomparable(first, second, name):
            yield Beside(name=name, first=one, second=other, difference=change, why=why)
        else:
            try:
                found = compared(second, first, name, Rules(), seed)
            except DataError as err:
                yield Beside(name=name, first=one, second=other, difference=change, why=str(err))
                continue
            if found.groups < FEWEST:
                yield Beside(
                    name=name,
                    first=one,
                    second=other,
                    difference=change,
                    why=f"{found.groups} groups of queries are too few",
                )
                continue
            sign = 1.0 if one["better"] == "up" else -1.0
            low, high = sorted(sign * end for end in middle(found.draws))
            yield Beside(
                name=name, first=one, second=other, difference=sign * found.value, low=low, high=high,
                otherwise=asked_otherwise(first, second, name),
            )  # fmt: skip


def page(first: Evaluated, second: Evaluated, seed: int = 0) -> str:
    """Return the page; the same bytes for the same evaluations and seed."""
    rows = list(beside(first, second, seed))
    told = sum(row.low is not None for row in rows)
    apart = sum(_apart(row) for row in rows)
    title = f"{first.label} and {second.label}"
    about = said(
        f"{len(rows)} numbers, of which {told} were counted over the same queries. Of these {apart} differ by more than which queries were asked "
        "would show in 95 of 100 cases; of so many some do so by chance. A difference is the second less the first."
    )
    head = ("metric", first.label, second.label, "difference", "95% between", "what that means")
    body = table("Every number of both", head, [_row(row) for row in rows], numbers=(1, 2, 3, 4))
    return document(title, about, [Section(anchor="numbers", title="Every number of both", body=body)])


def _apart(row: Beside) -> bool:
    return row.low is not None and row.high is not None and not row.low <= 0 <= row.high


def _row(row: Beside) -> list[str]:
    metric = row.first or row.second or {}
    change = "" if row.difference is None else _change(metric, row.difference)
    between = (
        "" if row.low is None or row.high is None else f"{_change(metric, row.low)} to {_change(metric, row.high)}"
    )
    better = (
        "" if not _apart(row) else "better" if ((row.difference or 0.0) > 0) == (metric["better"] == "up") else "worse"
    )
    shown = f"<td class='n big'>{change}</td>" if _apart(row) else change
    said = [row.why or better, *(_methods(row) if row.otherwise else ())]
    means = "; ".join(filter(None, said))
    return [
        html.escape(row.name), _value(row.first), _value(row.second), shown, between, f"<td class=muted>{html.escape(means)}</td>",
    ]  # fmt: skip


def _methods(row: Beside) -> list[str]:
    """Return how each of the two was asked, where that is part of the difference."""
    first, second = (str((one or {}).get("method")) for one in (row.first, row.second))
    return [f"asked in other ways: {first}", f"and {second}"]


def _value(metric: Mapping[str, Any] | None) -> str:
    if metric is None:
        return ""
    between = (
        f" <span class=muted>{amount(metric, metric['low'])} to {amount(metric, metric['high'])}</span>"
        if "low" in metric
        else ""
    )
    return f"{amount(metric, metric['value'])}{between}"


def _change(metric: Mapping[str, Any], value: float) -> str:
    return f"{100 * value:+.1f}" if metric.get("unit") == "fraction" else f"{value:+,.4g}"
