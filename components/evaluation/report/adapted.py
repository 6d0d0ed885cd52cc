"""What adapting changed: the trade between one's own pictures and others, and gain and loss with their intervals."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from components.evaluation.report.layout import said, table
from components.evaluation.wording import percent

SHOWN = 12  # labels by name
WIDTH, HEIGHT, LEFT, BELOW = 480, 220, 64, 24  # of the drawing's units; left of and below it stand the marks


def adapted(raced: Mapping[str, Any] | None, held: Mapping[str, Any], sentence: str) -> str:
    """Return the section; nothing of a model that was not adapted.

    Args:
        raced: as adapted.json has it.
        held: as against_start.json has it.
        sentence: what came of it.
    """
    if raced is None:
        return ""
    return (
        said(sentence) + hard(raced) + labels(raced) + trade(raced) + passed_over(raced) + changes(held) + heats(raced)
    )


def hard(raced: Mapping[str, Any]) -> str:
    """Return what makes the data hard, and what was done about it, a sentence each; nothing where nothing does."""
    found: Sequence[Mapping[str, Any]] = raced.get("hard", ())
    return "<h3>What is hard about this data</h3>" + "".join(said(one["sentence"]) for one in found) if found else ""


def labels(raced: Mapping[str, Any]) -> str:
    """Return which labels pictures were told apart by, and what each of them is; nothing where captions were asked for."""
    names: Sequence[str] = raced.get("labels", ())
    if not names:
        return ""
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")
    found = raced["vectors"]
    if found is None:
        return said(f"Asked was which of {len(names):,} labels a picture has, {shown}. Each is its own text.")
    counts = sorted(set(found["counts"]))
    each = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    return said(
        f"Asked was which of {len(names):,} labels a picture has, {shown}. Each is {each} vector{'' if counts == [1] else 's'}, {raced['strength']:.0%} of the way from "
        f"its text's to what was found; the learned scale is multiplied with {found['sharpness']:g}. The server classifies by them."
    )


def trade(raced: Mapping[str, Any]) -> str:
    """Return what each place between the start and the tuned weights gets, as a picture and as a table."""
    rows: Sequence[Mapping[str, float]] = raced["trade"]
    names = [name for name in rows[0] if name != "alpha"]
    start = rows[0]
    moved = {name: [100 * (row[name] - start[name]) for row in rows] for name in names}
    low, high = (end(0.0, *(value for its in moved.values() for value in its)) for end in (min, max))
    spread = (high - low) or 1.0

    def at(alpha: float, points: float) -> str:
        across = LEFT + (WIDTH - LEFT - 4) * alpha
        return f"{across:.1f},{6 + (HEIGHT - BELOW - 6) * (high - points) / spread:.1f}"

    lines = "".join(
        f"<g class='k{place % 8}'><polyline points='{' '.join(at(row['alpha'], value) for row, value in zip(rows, its, strict=True))}' "
        "fill=none stroke='var(--k)' stroke-width=2 /></g>"
        for place, its in enumerate(moved.values())
    )
    across = LEFT + (WIDTH - LEFT - 4) * raced["alpha"]
    taken = f"<path d='M{across:.1f} 6V{HEIGHT - BELOW}' class=whole />"
    marks = "".join(
        f"<text x={x} y={y} text-anchor={side}>{words}</text>"
        for x, y, side, words in (
            (LEFT - 6, 18, "end", f"{high:+.1f}"), (LEFT - 6, HEIGHT - BELOW, "end", f"{low:+.1f}"),
            (LEFT, HEIGHT - 4, "start", "the start"), (WIDTH - 4, HEIGHT - 4, "end", "all the way"),
        )
    )  # fmt: skip
    legend = "".join(
        f"<li class=k{place % 8}><svg class=key viewBox='0 0 16 16' aria-hidden=true><rect width=16 height=16 class=mark /></svg> {html.escape(name)}</li>"
        for place, name in enumerate(names)
    )
    told = f"Points won and lost from the start to the tuned weights; taken is alpha {raced['alpha']:g}"
    drawn = (
        f"<h3>The trade <span class=muted>points against the start; dashed: what was taken</span></h3>"
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role=img aria-label='{told}'>"
        f"<path d='M{LEFT} 6V{HEIGHT - BELOW}H{WIDTH - 4}' class=axis />{marks}{taken}{lines}</svg><ul class=legend>{legend}</ul>"
    )
    cells = [
        [
            f"{row['alpha']:g}{', taken' if row['alpha'] == raced['alpha'] else ''}",
            *(percent(row[name]) for name in names),
        ]
        for row in rows
    ]
    head = ("alpha", *names)
    return drawn + table("What each alpha gets", head, cells, numbers=range(1, len(head)))


def passed_over(raced: Mapping[str, Any]) -> str:
    """Return what other tunings get that were weighed and not taken, and which sets bounded nothing; nothing where there is neither."""
    others: Mapping[str, Sequence[Mapping[str, float]]] = raced.get("passed_over", {})
    rows = [
        [html.escape(way), f"{row['alpha']:g}", *(percent(value) for name, value in row.items() if name != "alpha")]
        for way, its in others.items()
        for row in its[1:]
    ]
    head = ("way", "alpha", *(name for name in raced["trade"][0] if name != "alpha"))
    shown = "<h3>Weighed, and not taken</h3>" + table("Weighed, and not taken", head, rows, numbers=range(1, len(head)))
    return (shown if rows else "") + "".join(
        said(f"{name} bounds nothing: {why}.") for name, why in raced.get("unbound", {}).items()
    )


def changes(held: Mapping[str, Any]) -> str:
    """Return each number beside what the start had."""
    rows = [
        [html.escape(line["metric"]), percent(line["value"]), *_moved(line), f"{line['queries']:,}"]
        for line in (*held["own"], *(line for its in held["elsewhere"].values() for line in its))
    ]
    head = ("number", "now", "points against the start", "95 of 100 cases", "queries")
    return "<h3>Against the start</h3>" + table(
        "Each number against the start", head, rows, numbers=range(1, len(head))
    )


def _moved(line: Mapping[str, Any]) -> tuple[str, str]:
    if line["difference"] is None:
        return html.escape(line["why"]), ""
    return f"{100 * line['difference']:+.1f}", f"{100 * line['low']:+.1f} to {100 * line['high']:+.1f}"


def heats(raced: Mapping[str, Any]) -> str:
    """Return what raced, and why others did not."""
    by_folds: Mapping[str, float] = raced.get("by_folds", {})
    head = ("way", "steps", "val", *(["folds"] if by_folds else []), "seconds")
    rows = [
        [
            html.escape(heat["name"]), f"{heat['steps']:,}", percent(heat["score"]), *([_folds(by_folds, heat["name"])] if by_folds else []),
            f"{heat['seconds']:,.1f}",
        ]
        for heat in raced["heats"]
    ]  # fmt: skip
    left = "".join(said(f"{name} was not tried: {why}") for name, why in raced["without"].items())
    folds = "Folds are of the pictures to learn from and to choose by, each where it was left out: by them ways that tune nothing are chosen."
    return (
        "<h3>What raced</h3>" + table("What raced", head, rows, numbers=range(1, len(head))) + (said(folds) if by_folds else "") + left
    )  # fmt: skip


def _folds(by_folds: Mapping[str, float], name: str) -> str:
    return percent(by_folds[name]) if name in by_folds else ""
