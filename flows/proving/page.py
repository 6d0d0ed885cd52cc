"""A comparison for readers: tables in the page beside the written plan, and the leaderboards of all columns as one page of HTML."""

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError
from components.evaluation.report.layout import Section, document, said, table
from components.stages.place import private
from flows.proving.compare import METRICS
from flows.proving.sweep import MEANS, board, record
from flows.proving.tables import Table, tables

BEGIN, END = "<!-- begin: diptych sweep --plan -->", "<!-- end: diptych sweep --plan -->"
_CODE, _BOLD, _SLANTED = (re.compile(mark) for mark in ("`([^`]*)`", r"\*\*([^*]*)\*\*", r"\*([^*]*)\*"))


def publish(root: Path, plan: Path, found: Mapping[str, Any], new: Sequence[str]) -> Path:
    """Write tables, page, and MLflow's runs, one for each column that is new; return the page."""
    write_page(plan.with_suffix(".md"), found)
    page = private(root, "sweeps") / f"{plan.stem}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(render(found), encoding="utf-8")
    page.with_suffix(".json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    for name in new:
        common = {"scale": found["plan"]["scale"], "seeds": found["plan"]["seeds"]}
        record(root, {**found["columns"][name], **common}, page, name)
    return page


def write_page(path: Path, found: Mapping[str, Any]) -> None:
    """Put the tables between the two marks of a page, whose own words stay; a page that is not there is begun."""
    before = check_page(path)
    tables = "\n".join(markdown(found))
    path.write_text(re.sub(f"(?s){BEGIN}.*{END}", lambda _: f"{BEGIN}\n{tables}\n{END}", before), encoding="utf-8")


def check_page(path: Path) -> str:
    """Return what a page says, or that of a new one; ConfigError where the tables have no place in it."""
    if not path.exists():
        return f"# The comparison\n{BEGIN}\n{END}\n"
    before = path.read_text(encoding="utf-8")
    if not re.search(f"(?s){BEGIN}.*{END}", before):
        raise ConfigError(
            f"{path.name} has no place for the tables. Write these two lines where they are to stand:\n{BEGIN}\n{END}"
        )
    return before


def markdown(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the tables: which recipe for which data, what became of the claims, and rows by columns."""
    if not found["columns"]:
        yield "Nothing was run yet."
        return
    for one in tables(found):
        yield from (f"### {one.title}", f"| {' | '.join(one.head)} |", "| --- " * len(one.head) + "|")
        yield from (f"| {' | '.join(row)} |" for row in one.rows)
        yield from ("", one.notes, "") if one.notes else ("",)
    yield (
        f"Seeds {', '.join(map(str, found['plan']['seeds']))}; {found['confidence']:.0%} intervals are Student's over seeds, which differ in splits, weights and draws. "
        f"Queries are not drawn again: of `pair` and `concept` each seed asks its own, of `designer` nearly the same. {where(found['columns'])}"
    )


def where(columns: Mapping[str, Mapping[str, Any]]) -> str:
    """Return code and machine, of each column where they differ."""
    said = {name: f"commit `{one['commit'][:7]}`, {one['machine']}" for name, one in columns.items()}
    if len(set(said.values())) == 1:
        return f"{next(iter(said.values()))[0].upper()}{next(iter(said.values()))[1:]}."
    return "; ".join(f"{name}: {one}" for name, one in said.items()) + "."


def render(found: Mapping[str, Any]) -> str:
    """Return the page: the tables, then all leaderboards, a section for each column and metric; the same bytes for the same numbers."""
    about = said(f"{MEANS} {where(found['columns'])}")
    shown = tables(found) if found["columns"] else ()
    sections = [
        Section(anchor=f"table-{at}", title=unmarked(one.title), body=as_html(one)) for at, one in enumerate(shown)
    ]
    for name, one in found["columns"].items():
        column = {**one, "confidence": found["confidence"], "price_per_hour": found.get("price_per_hour")}
        for metric in METRICS:
            if any(metric in its["metrics"] for its in one["rows"].values()):
                anchor = re.sub(r"\W+", "-", f"{name} {metric}")
                sections.append(Section(anchor=anchor, title=f"{name}: {metric}", body=board(column, metric)))
    return document("The comparison", about, sections)


def as_html(one: Table) -> str:
    """Return a table as HTML."""
    rows = [[marked(cell) for cell in row] for row in one.rows]
    notes = f"<p class=muted>{marked(one.notes)}</p>" if one.notes else ""
    return table(unmarked(one.title), [unmarked(name) for name in one.head], rows) + notes


def marked(text: str) -> str:
    """Return a line of Markdown, of which code, bold and slanted words are known, as HTML."""
    text = _CODE.sub(r"<code>\1</code>", html.escape(text))
    return _SLANTED.sub(r"<em>\1</em>", _BOLD.sub(r"<strong>\1</strong>", text))


def unmarked(text: str) -> str:
    """Return a line of Markdown as plain text."""
    return _CODE.sub(r"\1", text)
