"""A comparison for readers: tables in the page beside the written plan, and the leaderboards of all columns as one page of HTML."""

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from components.evaluation.report.layout import Section, document, said
from components.evaluation.verdict import interval
from components.stages.place import private
from flows.proving.compare import METRICS
from flows.proving.sweep import MEANS, board, record

BEGIN, END = "<!-- begin: diptych sweep --plan -->", "<!-- end: diptych sweep --plan -->"
UP, DOWN = "▲", "▼"
FIRST = METRICS[0]


def publish(root: Path, plan: Path, found: Mapping[str, Any]) -> Path:
    """Write tables, page and MLflow's runs, one a column; return the page."""
    write_page(plan.with_suffix(".md"), found)
    page = private(root, "sweeps") / f"{plan.stem}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(render(found), encoding="utf-8")
    page.with_suffix(".json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    for one in found["columns"].values():
        record(root, {**one, "scale": found["plan"]["scale"], "seeds": found["plan"]["seeds"]}, page)
    return page


def write_page(path: Path, found: Mapping[str, Any]) -> None:
    """Put the tables between the two marks of a page, whose own words stay; a page that is not there is begun."""
    before = path.read_text(encoding="utf-8") if path.exists() else f"# The comparison\n{BEGIN}\n{END}\n"
    tables = "\n".join(markdown(found))
    path.write_text(re.sub(f"(?s){BEGIN}.*{END}", lambda _: f"{BEGIN}\n{tables}\n{END}", before), encoding="utf-8")


def markdown(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the tables: rows by columns, which recipe for which data, and what became of the claims."""
    columns = found["columns"]
    if not columns:
        yield "Nothing was run yet."
        return
    yield from by_columns(columns)
    yield ""
    yield from caveats(columns)
    yield ""
    yield from advice(columns)
    if found.get("expected"):
        yield ""
        yield from verdicts(found)
    yield ""
    yield f"Seeds {', '.join(map(str, found['plan']['seeds']))}; {found['confidence']:.0%} intervals over seeds. {where(columns)}"


def by_columns(columns: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield R@1 of every row under every column, with what a row computes in the first of these."""
    first = next(iter(columns.values()))
    yield f"| | steps | CPU-s | {' | '.join(columns)} |"
    yield "| --- " * (3 + len(columns)) + "|"
    for name in dict.fromkeys(row for one in columns.values() for row in one["rows"]):
        its = first["rows"].get(name)
        steps = " + ".join(map(str, its["steps"])) if its else "–"
        spent = f"{sum(its['cpu_s']) / len(its['cpu_s']):.0f}" if its else "–"
        yield f"| `{name}` | {steps} | {spent} | {' | '.join(cell(one['rows'], name) for one in columns.values())} |"
    chance = [next(iter(one["rows"].values()))["metrics"][FIRST]["chance"] for one in columns.values()]
    yield f"| chance | | | {' | '.join(f'{value:.1%}' for value in chance)} |"


def cell(rows: Mapping[str, Any], name: str, metric: str = FIRST) -> str:
    """Return mean and half of the interval, and whether all seeds together are above or below the first row."""
    measured = rows.get(name, {}).get("metrics", {}).get(metric)
    if measured is None:
        return "–"
    way = {1: f" {UP}", -1: f" {DOWN}", 0: ""}[beside_first(rows, name, metric)]
    return f"{measured['mean']:.1%} ± {(measured['high'] - measured['low']) / 2:.1%}{way}"


def beside_first(rows: Mapping[str, Any], name: str, metric: str = FIRST) -> int:
    """Return 1 where the interval of the difference to the first row lies above 0, -1 where below, and 0 where it holds 0."""
    return differs(rows, name, next(iter(rows)), metric)


def differs(rows: Mapping[str, Any], name: str, other: str, metric: str = FIRST) -> int:
    """Return the same of any two rows, seed by seed."""
    if name == other:
        return 0
    ours, theirs = (rows[one]["metrics"][metric]["values"] for one in (name, other))
    _, low, high = interval([mine - its for mine, its in zip(ours, theirs, strict=True)])
    return 1 if low > 0 else -1 if high < 0 else 0


def advice(columns: Mapping[str, Mapping[str, Any]], metric: str = FIRST) -> Iterator[str]:
    """Yield which recipes a kind of data is best trained by: the best, those that cannot be told from it, and those above or below the first."""
    yield "| data | best | not told from it | above the first | below the first |"
    yield "| --- | --- | --- | --- | --- |"
    for name, one in columns.items():
        rows = {row: its for row, its in one["rows"].items() if metric in its["metrics"]}
        ranked = sorted(rows, key=lambda row: -rows[row]["metrics"][metric]["mean"])
        best = ranked[0]
        alike = [row for row in ranked[1:] if differs(rows, row, best, metric) == 0]
        parts = ([best], alike, *([row for row in ranked if beside_first(rows, row, metric) == way] for way in (1, -1)))
        yield f"| {name}: {one['about']} | {' | '.join(named(part) for part in parts)} |"


def verdicts(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield each claim with its verdict, and how often such a claim would hold of a recipe that is no better."""
    often, calibration = found.get("by_chance", {}), found.get("calibration")
    of = f", of `{calibration['row']}` in {calibration['column']}" if calibration else ""
    yield f"| claim | queries a seed | verdict | mean and interval | by chance{of} |"
    yield "| --- | --- | --- | --- | --- |"
    for name, one in found["expected"].items():
        share, late = often.get("claims", {}).get(name), ", written afterwards" if one["afterwards"] else ""
        yield (
            f"| **{name}** {one['source']} `{one['claim']}`, {one['column']} | {one['queries']} | *{one['outcome']}*{late} | {one['mean']:+.3f} ({one['low']:+.3f} to "
            f"{one['high']:+.3f}) | {'–' if share is None else f'{share:.1%}'} |"
        )
    if calibration:
        seeds, metrics = len(found["plan"]["seeds"]), often["metrics"]
        most = max(metrics, key=lambda name: metrics[name])
        yield ""
        yield (
            f"`{calibration['row']}` against itself in {calibration['column']}, {calibration['runs']} runs under {calibration['seeds']} seeds: of all choices of "
            f"{seeds} seeds, either way round, {sum(metrics.values()) / len(metrics):.1%} say that one of two equal trainings is above the other, the mean over {len(metrics)} metrics; "
            f"{metrics[most]:.1%} by {most}, which is the most. 5% are what the interval allows."
        )


def caveats(columns: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield what has to be known to read the marks: how many there would be by chance, and how equal computing was."""
    cells = sum(FIRST in its["metrics"] for one in columns.values() for its in [*one["rows"].values()][1:])
    equal = [its["beside_first"] for one in columns.values() for its in one["rows"].values()]
    yield (
        f"{UP} above the first row, {DOWN} below it, by the 90% interval of the differences seed by seed. Of {cells} such cells some {cells / 20:.0f} would have {UP} and as many {DOWN} if "
        f"no row differed from the first; and what is best was picked after looking. Rows computed for {min(equal):.2f} to {max(equal):.2f} of the first's CPU-seconds; curation "
        "and what loaders do in processes of their own are not among them."
    )


def where(columns: Mapping[str, Mapping[str, Any]]) -> str:
    """Return code and machine, of each column where they differ."""
    said = {name: f"commit `{one['commit'][:7]}`, {one['machine']}" for name, one in columns.items()}
    if len(set(said.values())) == 1:
        return f"{next(iter(said.values()))[0].upper()}{next(iter(said.values()))[1:]}."
    return "; ".join(f"{name}: {one}" for name, one in said.items()) + "."


def named(names: Sequence[str]) -> str:
    """Return recipes as Markdown lists them."""
    return ", ".join(f"`{name}`" for name in names) or "–"


def render(found: Mapping[str, Any]) -> str:
    """Return the page of all leaderboards, a section for each column and metric; the same bytes for the same numbers."""
    about = said(f"{MEANS} {where(found['columns'])}")
    sections = []
    for name, one in found["columns"].items():
        column = {**one, "confidence": found["confidence"], "price_per_hour": found.get("price_per_hour")}
        for metric in METRICS:
            if any(metric in its["metrics"] for its in one["rows"].values()):
                anchor = re.sub(r"\W+", "-", f"{name} {metric}")
                sections.append(
                    Section(anchor=anchor, title=f"{html.escape(name)}: {metric}", body=board(column, metric))
                )
    return document("The comparison", about, sections)
