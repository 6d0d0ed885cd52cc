"""report.html: what curation did, for people. One file, no script, no network."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; background: #fff; overflow-wrap: break-word; }
.scroll { overflow-x: auto; } :focus-visible { outline: 3px solid #1f6feb; outline-offset: 2px; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .25rem .7rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
code { overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) { body { color: #e6edf3; background: #0d1117; } }
"""


def render_page(recipe: str, ops: Sequence[Mapping[str, Any]]) -> str:
    """Return the page for the reports of the steps, as report.json has them; the same bytes for the same reports."""
    steps = "\n".join(_step(at, report) for at, report in enumerate(ops, 1))
    rows = f"{ops[0]['rows_in']:,} training samples in, {ops[-1]['rows_out']:,} out"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Curation</title>\n'
        '<meta name="viewport" content="width=device-width"><meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<style>{_STYLE}</style></head><body>\n<h1>Curation for {escape(recipe)}</h1>\n<p>{rows}.</p>\n{steps}\n</body></html>\n"
    )


def _step(at: int, report: Mapping[str, Any]) -> str:
    made = f" + {report['made']:,} made" if report["made"] else ""
    reasons = {reason: report["dropped"].get(reason) for reason in (*report["dropped"], *report["examples"])}
    rows = "".join(
        f"<tr><td>{escape(reason)}</td><td class=n>{'changed' if count is None else format(count, ',')}</td>"
        f"<td><code>{escape(', '.join(report['examples'].get(reason, ())))}</code></td></tr>\n"
        for reason, count in reasons.items()
    )
    head = f"{at}. {escape(report['op'])}"
    why = (
        f"<div class=scroll role=region tabindex=0 aria-label='Left out or changed by {head}'>"
        f"<table><thead><tr><th>reason<th class=n>samples<th>such as</tr></thead>\n<tbody>{rows}</tbody></table></div>"
        if rows
        else ""
    )
    stats = "".join(
        f"<tr><td>{escape(name)}</td><td class=n>{value:.6g}</td></tr>\n" for name, value in report["stats"].items()
    )
    numbers = (
        f"<div class=scroll role=region tabindex=0 aria-label='Numbers of {head}'>"
        f"<table><thead><tr><th>number<th class=n>value</tr></thead>\n<tbody>{stats}</tbody></table></div>"
        if stats
        else ""
    )
    warned = "".join(f"<p><strong>{escape(one)}</strong></p>\n" for one in report.get("warnings", ()))
    return (
        f"<h2>{head}</h2>\n<p>{report['rows_in']:,} in{made} = {report['rows_out']:,} out + "
        f"{sum(report['dropped'].values()):,} dropped.</p>\n{warned}{why}{numbers}"
    )
