"""The tables of a comparison, with cells as Markdown has them within a line; a page of Markdown and one of HTML have the same."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.proving.advice import ASKED, FEWEST, Rows, beside_first, crossed, ranked, taken

UP, DOWN = "▲", "▼"
Columns = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table and what it is.

    Args:
        title: without a full stop.
        notes: sentences that stand below it.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: str = ""


def tables(found: Mapping[str, Any]) -> Iterator[Table]:
    """Yield which recipe to take, what became of the claims, and rows by columns, of a comparison of which some column was run."""
    columns = found["columns"]
    yield advice(columns)
    yield from grids(columns)
    if found.get("expected"):
        yield verdicts(found)
    yield computing(columns)
    for metric, its in ASKED.items():
        if any(metric in row["metrics"] for one in columns.values() for row in one["rows"].values()):
            yield by_columns(columns, metric, its)
    yield rankings(columns)


def advice(columns: Columns) -> Table:
    """Return the recipes to take for each kind of data, and by what they are above the first."""
    rows = []
    for name, one in columns.items():
        found, first = taken(one["rows"]), next(iter(one["rows"]))
        why = "; ".join(f"`{row}`: {', '.join(ASKED[metric] for metric in its)}" for row, its in found.items())
        rows.append([f"**{name}**: {one['about']}", named(found or [first]), why or f"none is so above `{first}`"])
    return Table(
        title="Which recipe for which data",
        head=["data", "take", "above the first row in"],
        rows=rows,
        notes=f"Taken is what is above the first row in {FEWEST} questions or more and below it by none of these metrics: {', '.join(ASKED.values())}; both ways of `pair` are one question. Where there is no such row, it is the first itself.",
    )


def grids(columns: Columns) -> Iterator[Table]:
    """Yield which recipe to take where two things that data is meet."""
    for down, across, cells in crossed(columns):
        tops = list(dict.fromkeys(top for _, top in cells))
        sides = list(dict.fromkeys(side for side, _ in cells))
        rows = [
            [f"`{down}` {side}" if side else f"{down} as it is", *(_taken(columns, cells.get((side, top))) for top in tops)]
            for side in sides
        ]  # fmt: skip
        yield Table(
            title=f"The same, by {down} and {across} of the source",
            head=["", *(f"`{across}` {top}" if top else f"{across} as it is" for top in tops)],
            rows=rows,
        )


def verdicts(found: Mapping[str, Any]) -> Table:
    """Return each claim with its verdict, and how often such a claim would hold of a recipe that is no better."""
    often, calibration = found.get("by_chance", {}), found.get("calibration")
    of = f", of `{calibration['row']}` in {calibration['column']}" if calibration else ""
    rows = []
    for name, one in found["expected"].items():
        share, late = often.get("claims", {}).get(name), ", written afterwards" if one["afterwards"] else ""
        rows.append(
            [
                f"**{name}** {one['source']} `{one['claim']}`, {one['column']}",
                str(one["queries"]),
                f"*{one['outcome']}*{late}",
                f"{one['mean']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f})",
                "–" if share is None else f"{share:.1%}",
            ]
        )
    held = [one["outcome"] for one in found["expected"].values()]
    notes = (
        f"Of {len(held)} claims {held.count('holds')} hold, {held.count('does not hold')} do not, {held.count('underpowered')} are underpowered. Each is judged by itself: were none true, "
        f"{len(held) / 20:.1f} would be said to hold by chance. What a claim could tell is half of its interval, not its margin: with these seeds most differences below that stay underpowered."
    )
    return Table(
        title="What became of the claims",
        head=["claim", "queries a seed", "verdict", "mean and interval", f"by chance{of}"],
        rows=rows,
        notes=f"{notes} {by_chance(found)}".strip(),
    )


def by_chance(found: Mapping[str, Any]) -> str:
    """Return how often one of two trainings that are alike would be said to be above the other; empty where that was not measured."""
    calibration = found.get("calibration")
    if not calibration:
        return ""
    seeds, metrics = len(found["plan"]["seeds"]), found["by_chance"]["metrics"]
    most, mean = max(metrics, key=lambda name: metrics[name]), sum(metrics.values()) / len(metrics)
    return (
        f"`{calibration['row']}` against itself in {calibration['column']}, {calibration['runs']} runs under {calibration['seeds']} seeds: by all choices of {seeds} of these, either way "
        f"round, the first named of two equal trainings would be said to be above the other in {mean:.1%}, the mean over {len(metrics)} metrics, and in {metrics[most]:.1%} by {most}, which is the "
        f"most. 5% are what the interval allows, so the mean is {'within' if mean <= 0.05 else 'above'} that. Choices overlap: these are {calibration['seeds']} differences, and a share may be some points off."
    )


def computing(columns: Columns) -> Table:
    """Return steps and CPU-seconds of each row, in the first column that has it, and how equal computing was in all."""
    rows = []
    for name in every_row(columns):
        where, its = next((column, one["rows"][name]) for column, one in columns.items() if name in one["rows"])
        shares = [one["rows"][name]["beside_first"] for one in columns.values() if name in one["rows"]]
        rows.append(
            [
                f"`{name}`",
                where,
                " + ".join(map(str, its["steps"])),
                f"{sum(its['cpu_s']) / len(its['cpu_s']):.0f}",
                f"{min(shares):.2f} to {max(shares):.2f}",
            ]
        )
    return Table(
        title="Computing",
        head=["", "column", "steps", "CPU-s", "of the first row's, over all columns"],
        rows=rows,
        notes=(
            "Steps follow from CPU-seconds a step, which a short run under the first seed gives. Not among them: curation, a tuning that belongs to a recipe (its CPU-seconds are), what "
            "loaders do in processes of their own."
        ),
    )


def by_columns(columns: Columns, metric: str, its: str) -> Table:
    """Return one metric of every row under every column."""
    rows = [
        [f"`{name}`", *(cell(one["rows"], name, metric) for one in columns.values())] for name in every_row(columns)
    ]
    chance = [next(iter(one["rows"].values()))["metrics"].get(metric) for one in columns.values()]
    rows.append(["chance", *("–" if one is None else format(one["chance"], ".1%") for one in chance)])
    asked = max((row["metrics"][metric]["queries"] for one in columns.values() for row in one["rows"].values() if metric in row["metrics"]), default=0)  # fmt: skip
    cells = sum(metric in row["metrics"] for one in columns.values() for row in [*one["rows"].values()][1:])
    return Table(
        title=f"{its[0].upper()}{its[1:]}: `{metric}`, {asked} queries a seed at most",
        head=["", *columns],
        rows=rows,
        notes=(
            f"{UP} above the first row, {DOWN} below it, by the 90% interval of the differences seed by seed. Of {cells} such cells some {cells / 20:.0f} would have {UP} and as many {DOWN} by chance."
        ),
    )


def cell(rows: Rows, name: str, metric: str) -> str:
    """Return mean and half of the interval, and whether all seeds together are above or below the first row."""
    measured = rows.get(name, {}).get("metrics", {}).get(metric)
    if measured is None:
        return "–"
    way = {1: f" {UP}", -1: f" {DOWN}"}.get(beside_first(rows, name, metric) or 0, "")
    return f"{measured['mean']:.1%} ± {(measured['high'] - measured['low']) / 2:.1%}{way}"


def rankings(columns: Columns) -> Table:
    """Return of each column and metric the highest mean, what cannot be told from it, and who is above and below the first."""
    rows = [
        [name, its, *(named(part) for part in ranked(one["rows"], metric))]
        for name, one in columns.items()
        for metric, its in ASKED.items()
        if any(metric in row["metrics"] for row in one["rows"].values())
    ]
    return Table(
        title="Who can be told from whom",
        head=["data", "asked", "highest mean", "not told from it", "above the first", "below the first"],
        rows=rows,
        notes="What is highest was picked after looking, and what stands in one column is measured against the same runs of the first row.",
    )


def every_row(columns: Columns) -> list[str]:
    """Return the rows of all columns, each once."""
    return list(dict.fromkeys(row for one in columns.values() for row in one["rows"]))


def named(names: Sequence[str] | Mapping[str, Any]) -> str:
    """Return recipes as Markdown lists them."""
    return ", ".join(f"`{name}`" for name in names) or "–"


def _taken(columns: Columns, name: str | None) -> str:
    if name is None:
        return "–"
    rows = columns[name]["rows"]
    return named(taken(rows) or [next(iter(rows))])
