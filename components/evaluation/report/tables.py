"""The tables of a report: every number beside chance and baseline, and where every sample that came in went."""

import html
from collections.abc import Mapping
from typing import Any

from components.evaluation.wording import BASELINES_MEAN, between, further_rows, percent, retrieval_rows


def table(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the retrieval metrics as a table."""
    rows = [
        f"<tr><td>{row['split']} <span class=muted>{row['means']}</span></td><td>{row['direction']}</td><td>R@{row['k']}</td>"
        f"<td class='n big'>{percent(row['value'])}</td><td class=n>{between(row)}</td><td class=n>{percent(row['chance'])}</td>"
        f"<td class=n>{percent(row['baseline'])}</td><td class=n>{row['n']:,}</td></tr>"
        for row in retrieval_rows(metrics)
    ]
    head = "".join(f"<th class=n>{name}</th>" for name in ("model", "95% between", "chance", "baseline", "queries"))
    return f"<table><tr><th>split</th><th>direction</th><th></th>{head}</tr>{''.join(rows)}</table>"


def further(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what was measured beside retrieval as a table, each number with how it was asked; nothing where nothing was."""
    rows = [
        f"<tr><td>{html.escape(row['asked'])}<br><span class=muted>{html.escape(row['method'])}</span></td>"
        f"<td>{row['split']} <span class=muted>{row['means']}</span></td><td class='n big'>{row['value']}</td><td class=n>{row['between']}</td>"
        f"<td class=n>{row['chance']}</td><td class=n>{row['baseline']}</td><td class=n>{row['n']:,}</td></tr>"
        for row in further_rows(metrics)
    ]
    head = "".join(f"<th class=n>{name}</th>" for name in ("model", "95% between", "chance", "baseline", "n"))
    table = f"<table><tr><th>what, and how it was asked</th><th>split</th>{head}</tr>{''.join(rows)}</table>"
    said = f"<p class=muted>Baselines: {BASELINES_MEAN}.</p>"
    return f"<h2>What else was measured</h2>{table}{said}" if rows else ""


def counts(data: Mapping[str, Any]) -> str:
    """Return where every sample that came in went, by split, and why some were set aside."""
    rows = "".join(
        f"<tr><td>{html.escape(split)}</td><td class=n>{its['rows_in']:,}</td><td class='n big'>{its['kept']:,}</td>"
        f"<td class=n>{its['rows_in'] - its['kept']:,}</td>"
        f"<td>{html.escape(', '.join(f'{reason} {count:,}' for reason, count in its['reasons'].items()))}</td></tr>"
        for split, its in data["splits"].items()
    )
    total = (
        f"<tr><td>all</td><td class=n>{data['rows_in']:,}</td><td class='n big'>{data['clean'] + data['pools']:,}</td>"
        f"<td class=n>{data['quarantined']:,}</td><td></td></tr>"
    )
    head = "<th>split</th><th class=n>came in</th><th class=n>kept</th><th class=n>set aside</th><th>why</th>"
    without = "".join(f"<li>{html.escape(what)}: {html.escape(why)}</li>" for what, why in data["without"].items())
    return (
        f"<p class=muted>Source {html.escape(data['source'])}, snapshot {html.escape(data['digest'][:12])}.</p>"
        f"<table><tr>{head}</tr>{rows}{total}</table>"
        + (f"<p>What this data does not allow, or left out:</p><ul>{without}</ul>" if without else "")
    )
