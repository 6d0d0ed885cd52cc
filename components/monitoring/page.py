"""The page of a monitor: what it found, drawn: drift, scores by language, errors and seconds, and who died."""

import html
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from components.evaluation.report.layout import Section, document, said, table
from components.monitoring.drawn import distributions, over_time
from components.monitoring.drift import NAMES, SIDES
from components.monitoring.seen import Seen

MOST_LANGUAGES = 6  # that are drawn, those of most searches
DRIFT_MEANS = (
    "Each vector counts once. MMD² is 0, or a little below, for one distribution. A classifier that learned from half of both samples tells half of the other half apart where "
    "they are alike. p: in which share of cases it would look so without drift; what is called drift is corrected for all lines of the look (Holm)."
)
SCORES_MEAN = "The cosine of a text with the best picture that was found; of the reference, with the best that does not have that very text."
BUDGETS_MEAN = (
    "A budget is broken where more requests are over it than a gateway that just keeps it would have by chance. Seconds over time are of the sampled log, which has a share of "
    "the requests."
)


def render(seen: Seen) -> str:
    """Return the page; the same bytes for the same look."""
    ends = (_clock(seen.since), _clock(seen.until))
    about = f"<p>{html.escape(seen.sentence)}</p>" + said(
        f"{seen.model or 'No model'}, {len(seen.requests):,} sampled requests from {_clock(seen.since)} to {_clock(seen.until)} UTC"
        f"{f', {len(seen.requests.unread)} files that cannot be read' if seen.requests.unread else ''}. Held against "
        f"{seen.reference.means if seen.reference else 'nothing: ' + seen.without}."
    )
    return document(
        "What is asked, and how it is answered", about,
        [
            Section(anchor="drift", title="Drift", body=_drift(seen, ends)),
            Section(anchor="scores", title="Scores", aside="by language", body=_scores(seen)),
            Section(anchor="answers", title="How it is answered", body=_answers(seen, ends)),
            Section(anchor="died", title="Who died", body=_died(seen)),
            Section(anchor="events", title="What was told", body=_events(seen)),
        ],
    )  # fmt: skip


def _drift(seen: Seen, ends: tuple[str, str]) -> str:
    rows = [
        [
            html.escape(line.of), html.escape(NAMES[line.test]) if line.p_value is not None else "", f"<td class=big>{line.outcome}</td>",
            _number(line.statistic), _number(line.p_value), f"{line.rows:,}", f"{line.reference_rows:,}", html.escape(line.says),
        ]
        for line in seen.drift
    ]  # fmt: skip
    head = ("of", "test", "verdict", "statistic", "p", "now", "reference", "why not")
    drawn = over_time(
        "MMD² to the reference", {SIDES[side]: line for side, line in seen.distances.items()}, ends, budget=0.0
    )
    return table("Tests of drift", head, rows, numbers=(3, 4, 5, 6)) + said(DRIFT_MEANS) + drawn


def _scores(seen: Seen) -> str:
    now, usual = seen.requests.scores(), seen.reference.scores if seen.reference else {}
    if not now:
        return said("Nobody searched by words, or no such search was sampled.")
    rows = [
        [html.escape(lang), f"{len(scores):,}", _middle(scores), f"{len(usual.get(lang, ())):,}", _middle(usual.get(lang))]
        for lang, scores in now.items()
    ]  # fmt: skip
    head = ("language", "searches", "middle score", "in the reference", "its middle score")
    most = sorted(now, key=lambda lang: (-len(now[lang]), lang))[:MOST_LANGUAGES]
    drawn = "".join(
        distributions(f"Scores in {lang}", {"reference": usual[lang], "now": now[lang]})
        for lang in most
        if lang in usual
    )
    return table("Scores by language", head, rows, numbers=(1, 2, 3, 4)) + said(SCORES_MEAN) + drawn


def _answers(seen: Seen, ends: tuple[str, str]) -> str:
    rows = [
        [
            one.name, f"<td class=big>{one.held}</td>", _value(one.name, one.value), _value(one.name, one.budget), f"{one.requests:,}", one.source,
            html.escape(one.says),
        ]
        for one in seen.budgets
    ]  # fmt: skip
    head = ("budget", "it is", "now", "may be", "requests", "from", "in words")
    slow, failed = seen.over_time
    allowed = {one.name: one.budget for one in seen.budgets}
    return (
        table("Budgets", head, rows, numbers=(2, 3, 4))
        + said(BUDGETS_MEAN)
        + over_time("95% are answered within", {"p95": slow}, ends, " ms", allowed["latency"])
        + over_time(
            "Requests that failed",
            {"failed": [None if one is None else 100 * one for one in failed]},
            ends,
            "%",
            100 * allowed["errors"],
        )
    )


def _died(seen: Seen) -> str:
    if not seen.deaths:
        return said("Nobody since the last look.")
    rows = [[_clock(one.at), one.of, html.escape(one.says)] for one in seen.deaths[-50:]]
    return table("Who died", ("at", "what", "the keeper's words"), rows)


def _events(seen: Seen) -> str:
    if not seen.events:
        return said("Nothing in this look.")
    rows = [[html.escape(one.name), html.escape(one.asks or "nothing"), html.escape(one.says)] for one in seen.events]
    return table("Events", ("event", "asks for", "says"), rows)


def markdown(seen: Seen) -> str:
    """Return the same in short, for the page of a flow run."""
    lines = [
        f"| {line.of} | {NAMES[line.test] if line.p_value is not None else ''} | {line.outcome} | {_number(line.p_value)} | {line.rows:,} | {line.says} |"
        for line in seen.drift
    ]
    held = [f"| {one.name} | {one.held} | {one.says} |" for one in seen.budgets]
    return "\n".join(
        [
            f"# {seen.model or 'No model is served'}", "", seen.sentence, "", "| of | test | verdict | p | now | why not |", "| --- | --- | --- | --- | --- | --- |",
            *lines, "", "| budget | it is | |", "| --- | --- | --- |", *held,
        ]
    )  # fmt: skip


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _value(name: str, value: float | None) -> str:
    return "" if value is None else f"{value:.2%}" if name == "errors" else f"{value:.0f} ms"


def _middle(scores: "np.ndarray | Sequence[float] | None") -> str:
    return "" if scores is None or not len(scores) else f"{np.median(scores):.3f}"


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
