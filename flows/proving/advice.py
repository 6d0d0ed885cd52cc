"""Which rows of a comparison can be told from others, which recipe a kind of data asks for, and where two things that data is cross."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from components.evaluation.verdict import interval
from flows.proving.compare import METRICS
from flows.proving.sweep import best_first

ASKED = {
    METRICS[0]: "pair (picture to text)",
    METRICS[1]: "pair (text to picture)",
    METRICS[3]: "designer (text to picture)",
    METRICS[6]: "zero-shot",
}
"""What is shown, in short. One that stands alone may be luck, so advice asks two, of which both ways between the same pictures and texts are one."""

FEWEST = 2
Rows = Mapping[str, Any]


def differs(rows: Rows, name: str, other: str, metric: str) -> int:
    """Return 1 where the interval of the differences seed by seed lies above 0, -1 where below, and 0 where it holds 0."""
    if name == other:
        return 0
    ours, theirs = (rows[one]["metrics"][metric]["values"] for one in (name, other))
    _, low, high = interval([mine - its for mine, its in zip(ours, theirs, strict=True)])
    return 1 if low > 0 else -1 if high < 0 else 0


def beside_first(rows: Rows, name: str, metric: str) -> int | None:
    """Return the same of a row and the first; None where one of them was not measured by that."""
    first = next(iter(rows))
    if any(metric not in rows[one]["metrics"] for one in (name, first)):
        return None
    return differs(rows, name, first, metric)


def taken(rows: Rows) -> dict[str, list[str]]:
    """Return row -> the metrics of ASKED by which it is above the first, of rows that are so in FEWEST questions and below it in none; the best first."""
    found, order = {}, best_first(rows, METRICS[0])
    for name in [*order, *(name for name in rows if name not in order)]:
        ways = {metric: beside_first(rows, name, metric) for metric in ASKED}
        above = [metric for metric, way in ways.items() if way == 1]
        if len({_question(metric) for metric in above}) >= FEWEST and -1 not in ways.values():
            found[name] = above
    return found


def ranked(rows: Rows, metric: str) -> tuple[list[str], ...]:
    """Return by one metric the highest mean, those that cannot be told from it, those above the first, and those below it."""
    its = {name: one for name, one in rows.items() if metric in one["metrics"]}
    order = best_first(its, metric)
    alike = [name for name in order[1:] if differs(its, name, order[0], metric) == 0]
    return order[:1], alike, *([name for name in order if beside_first(its, name, metric) == way] for way in (1, -1))


def crossed(columns: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[tuple[str, str], str]]]:
    """Yield two fields of the source, and (value, value) -> column, for every two in which a column differs from the first at once.

    Values are as a person writes them, and empty where a source does not name the field.
    """
    plain = next(iter(columns.values()))
    changed = {}
    for name, one in columns.items():
        if (one["start"], one["source"].get("name")) == (plain["start"], plain["source"].get("name")):
            fields = {*one["source"], *plain["source"]}
            changed[name] = sorted(key for key in fields if one["source"].get(key) != plain["source"].get(key))
    for down, across in sorted({two for keys in changed.values() for two in combinations(keys, 2)}):
        cells = dict[tuple[str, str], str]()
        for name, keys in changed.items():
            if {*keys} <= {down, across}:
                source = columns[name]["source"]
                cells.setdefault((str(source.get(down, "")), str(source.get(across, ""))), name)
        yield down, across, cells


def _question(metric: str) -> str:
    """Return what a metric asks, either way: of which pictures, and whether for their texts or their kind."""
    return ".".join(metric.split(".")[:2])
