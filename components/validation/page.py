"""report.html: what validation found, for people. One file, no script, no network, pictures inside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from types import MappingProxyType
from typing import Any

from PIL import Image

from components.data.thumbnail import data_uri

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --muted: #57606a; --line: #8884; --bad: #c0392b; --good: #2e8b57; --faint: #f3f5f7; --link: #0b57d0; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: var(--ink); background: #fff; overflow-wrap: break-word; }
a { color: var(--link); } :focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.scroll { overflow-x: auto; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; } caption { text-align: left; color: var(--muted); padding: .2rem 0; }
th, td { text-align: left; padding: .25rem .7rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.verdict { padding: .7rem 1rem; border-left: 5px solid var(--good); background: var(--faint); }
.verdict.closed { border-color: var(--bad); }
.bar { display: inline-block; height: .7em; background: currentColor; opacity: .45; }
.examples { display: flex; flex-wrap: wrap; gap: .8rem; padding: 0; }
.examples li { list-style: none; width: 11rem; font-size: .8rem; overflow-wrap: anywhere; }
.examples img, .none { width: 72px; height: 72px; object-fit: contain; background: #fff; border: 1px solid var(--line); }
.none { display: grid; place-items: center; color: var(--muted); background: none; }
code { overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --muted: #9198a1; --faint: #161b22; --link: #7ab7ff; } body { background: #0d1117; } }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One quarantined row to show.

    Args:
        key: of the sample.
        split: of the sample; of what did not come in, the member it lay in.
        caption: its first text.
        detail: what was found.
        picture: as it is seen on white; None when there is nothing to show.
    """

    key: str
    split: str
    caption: str
    detail: str
    picture: Image.Image | None


Shown = Mapping[str, Sequence[Example]]  # reason -> a few of its rows


def render_page(report: Mapping[str, Any], examples: Shown, told: Shown, odd: Shown = MappingProxyType({})) -> str:
    """Return the page for report.json and a few examples a reason, of rows that were set aside and of rows that were kept.

    `odd` are examples a kind of data. The same bytes for the same arguments.
    """
    sections = [
        *(_looked(report) if report["gate"] is None else _judged(report)),
        "<h2>Quarantine</h2>" + _reasons(report),
        *(_examples(code, shown) for code, shown in examples.items()),
        *_told(report),
        *(_examples(code, shown) for code, shown in told.items()),
        *_without(report["without"]),
        *_fit(report.get("fit")),
        *(_kind(kind, its, odd.get(kind, ())) for kind, its in report.get("kinds", {}).items()),
        *_needs(report.get("needs", {})),
        "<h2>Checks</h2>" + _checks(report),
        "<h2>Captions that are kept</h2>"
        + _bars("characters", report["captions"])
        + _bars("language", report["languages"]),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Data validation</title>\n'
        '<meta name="viewport" content="width=device-width"><meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        f"<style>{_STYLE}</style></head><body>\n<h1>Data validation</h1>\n" + "\n".join(sections) + "\n</body></html>\n"
    )


def _judged(report: Mapping[str, Any]) -> list[str]:
    """Return how a snapshot passed the gate, and where its rows went."""
    closed = report["gate"] == "closed"
    verdict = (
        f"<strong>The gate is {report['gate']}.</strong> {report['broken']:,} of {report['rows_in']:,} samples are broken "
        f"({report['broken_share']:.2%}); <code>gates.max_broken</code> allows {report['max_broken']:.2%}."
        + (" Nothing after validation runs." if closed else "")
    )
    ways = (
        f"{report['rows_in']:,} in = {report['clean']:,} clean (train, val) + {report['pools']:,} in evaluation pools + "
        f"{report['quarantined']:,} quarantined{_at_ingest(report)}."
    )
    return [
        f'<p class="verdict {"closed" if closed else "open"}">{verdict}</p>',
        f"<p>{ways} Source <code>{escape(report['source'])}</code>, snapshot <code>{escape(report['digest'])}</code>.</p>",
        "<h2>Splits</h2>" + _splits(report),
    ]


def _looked(report: Mapping[str, Any]) -> list[str]:
    """Return what a look at data found that nothing is made of yet."""
    clean, broken = report["clean"] + report["pools"], report["broken"]
    verdict = (
        f"<strong>{clean:,} of {report['rows_in']:,} pairs are clean.</strong> {broken:,} are broken ({report['broken_share']:.2%}), "
        f"{report['quarantined'] - broken:,} are set aside."
    )
    return [
        f'<p class="verdict {"closed" if broken else "open"}">{verdict}</p>',
        f"<p>Read as <code>{escape(report['source'])}</code>. Nothing was changed or copied.</p>",
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str | int]]) -> str:
    """Return a table; numbers stand to the right, and cells that are text have been escaped by the caller."""
    numeric = [bool(rows) and isinstance(rows[0][place], int) for place in range(len(head))]

    def cells(tag: str, values: Sequence[str | int]) -> str:
        pairs = zip(values, numeric, strict=True)
        shown = (f"{value:,}" if isinstance(value, int) else value for value, _ in pairs)
        return "".join(
            f"<{tag}{' class=n' if n else ''}>{value}</{tag}>" for value, n in zip(shown, numeric, strict=True)
        )

    body = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    table = f"<table><thead><tr>{cells('th', head)}</tr></thead>\n<tbody>{body}</tbody></table>"
    label = escape(
        ", ".join(filter(None, head))
    )  # a frame of its own, which Tab reaches, since on a phone it may be too wide
    return f'<div class="scroll" role="region" aria-label="{label}" tabindex="0">{table}</div>'


def _at_ingest(report: Mapping[str, Any]) -> str:
    """Return how many were set aside before there was a snapshot; nothing where that is none."""
    count = report["ingest"]["quarantined"]
    return f", {count:,} of them at ingest" if count else ""


def _splits(report: Mapping[str, Any]) -> str:
    rows = []
    for split, its in report["splits"].items():
        lost = ", ".join(f"{reason} {count:,}" for reason, count in its["reasons"].items())
        rows.append([escape(split), its["rows_in"], its["kept"], its["rows_in"] - its["kept"], lost or "-"])
    return _table(["split", "in", "kept", "quarantined", "why"], rows)


def _without(why: Mapping[str, str]) -> list[str]:
    """Return what this data does not allow, and what of it did not come in; nothing where that is nothing."""
    rows = [[escape(what), escape(said)] for what, said in why.items()]
    return ["<h2>What this data is without</h2>" + _table(["what", "why, or how many"], rows)] if rows else []


def _fit(fit: Mapping[str, Any] | None) -> list[str]:
    """Return how well words fit pictures; nothing where nobody was asked."""
    if fit is None:
        return []
    odd = "Nothing is odd: there are too few, or most are the same."
    if fit["odd_below"] is not None:
        odd = f"Below {fit['odd_below']:.3f}, {fit['bar']:g} spreads of {fit['spread']:.3f} from the median, a pair is a misfit."
    said = f"<code>{escape(fit['model'])}</code> scored {fit['scored']:,} pairs, with a median of {fit['median']:.3f}. {odd}"
    return [f"<h2>How well words fit pictures</h2><p>{said}</p>" + _bars("cosine", fit["scores"])]


def _reasons(report: Mapping[str, Any]) -> str:
    rows = [
        [
            f'<a href="#{code}">{code}</a>',
            its["rows"],
            "broken" if its["broken"] else "set aside",
            escape(its["meaning"]),
        ]
        for code, its in report["reasons"].items()
    ]
    return _table(["reason", "samples", "counts as", "meaning"], rows) if rows else "<p>Nothing.</p>"


def _told(report: Mapping[str, Any]) -> list[str]:
    """Return what was found of rows that are kept; nothing where that is nothing."""
    found = report["told"].items()
    rows = [[f'<a href="#{code}">{code}</a>', its["rows"], escape(its["meaning"])] for code, its in found]
    mend = "" if report["gate"] is None else "; <code>gates.policy</code> in params.yaml can set them aside"
    said = f"<h2>Kept, and told of</h2><p>Nothing was done about these{mend}. All of them are in <code>told.parquet</code>.</p>"
    return [said + _table(["found", "samples", "meaning"], rows)] if rows else []


def _needs(recipes: Mapping[str, Any]) -> list[str]:
    """Return how much of the data each recipe can learn from; nothing where none needs anything."""
    rows: list[list[str | int]] = [
        [
            escape(recipe),
            its["have"],
            its["of"],
            escape(its["refusal"] or ", ".join(f"{code} {count:,}" for code, count in its["lacking"].items()) or "-"),
        ]
        for recipe, its in recipes.items()
    ]
    return ["<h2>What recipes need</h2>" + _table(["recipe", "have it", "of", "lacking"], rows)] if rows else []


def _kind(kind: str, its: Mapping[str, Any], odd: Sequence[Example]) -> str:
    """Return what is kept of a kind of data, in counts, and the oddest of it."""
    counts = " and ".join(f"{count:,} {what}" for what, count in its["counts"].items())
    bars = "".join(_bars(name, of["counts"], of["what"]) for name, of in its["tables"].items() if of["counts"])
    return f"<h2>{kind.capitalize()} that are kept</h2><p>{counts}.</p>{bars}" + (_figures(odd) if odd else "")


def _examples(code: str, examples: Sequence[Example]) -> str:
    return f'<h3 id="{code}">{code}</h3>\n{_figures(examples)}'


def _figures(examples: Sequence[Example]) -> str:
    shown = "\n".join(
        f"<li>{_picture(one.picture)}<br><strong>{escape(one.caption)}</strong><br>{escape(one.key)} ({escape(one.split)})<br>"
        f"{escape(one.detail)}</li>"
        for one in examples
    )
    return f'<ul class="examples">{shown}</ul>'


def _picture(picture: Image.Image | None) -> str:
    if picture is None:
        return '<span class="none">none</span>'
    return f'<img alt="" src="{data_uri(picture)}">'


def _checks(report: Mapping[str, Any]) -> str:
    rows = [
        [
            "failed" if check["failed"] else "passed",
            escape(check["rule"]),
            check["checked"],
            check["failed"],
            check["reason"] or "-",
        ]
        for check in report["checks"]
    ]
    return _table(["", "what has to hold", "checked", "failed", "reason given"], rows)


def _bars(head: str, counts: Mapping[str, int], what: str = "texts") -> str:
    most = max(counts.values(), default=0) or 1
    rows: list[list[str | int]] = [
        [escape(name), count, f'<span class="bar" style="width:{20 * count / most:.2f}rem"></span>']
        for name, count in counts.items()
    ]
    return _table([head, what, ""], rows)
