"""A ruling in words: one sentence, and a table."""

from collections.abc import Mapping, Sequence
from typing import Any

from components.contracts.promotion import Finding, Outcome, Ruling


def amount(metric: Mapping[str, Any], value: float) -> str:
    """Return a number in the unit of its metric."""
    return f"{value:.1%}" if metric.get("unit") == "fraction" else f"{value:,.4g}"


def change(metric: Mapping[str, Any], value: float) -> str:
    """Return how much a number changes, in the unit of its metric."""
    return f"{100 * value:.4g} points" if metric.get("unit") == "fraction" else f"{value:,.4g}"


def sentence(outcome: Outcome, challenger: str, champion: str | None, findings: Sequence[Finding]) -> str:
    """Return what becomes of a challenger, and why, in one sentence."""
    against = [one for one in findings if one.held in ("fails", "missing")]
    open_ones = [one for one in findings if one.held == "uncertain"]
    if champion is None:
        if outcome == "promoted":
            kept = sum(one.rule == "bound" for one in findings)
            return f"{challenger} is the champion: there was none{', and its bounds are kept' if kept else ''}."
        return f"{challenger} is not served, and nothing is: {_reasons(against or open_ones)}."
    if outcome == "promoted":
        primary = next((one for one in findings if one.rule == "primary"), None)
        guards = sum(one.rule in ("critical", "supporting") for one in findings)
        also = f"; {guards} guard{'s hold' if guards > 1 else ' holds'}" if guards else ""
        return f"{challenger} is the new champion in place of {champion}: {_reasons([primary]) if primary else 'all rules hold'}{also}."
    stays = f"{challenger} stays challenger and {champion} is served"
    if outcome == "kept":
        return f"{stays}: {_reasons(against)}."
    if outcome == "needs_a_person":
        return f"{stays} until a person decides: {_reasons([one for one in open_ones if one.queries is None])}."
    more = max((one.more or 0 for one in open_ones), default=0)
    wanted = f"; about {more:,} more queries would show it" if more else ""
    return f"{stays}, since it is inconclusive: {_reasons(open_ones)}{wanted}."


def _reasons(findings: Sequence[Finding]) -> str:
    return "; ".join(_reason(one) for one in findings)


def _reason(one: Finding) -> str:
    if one.difference is None or one.low is None or one.high is None or one.queries is None:
        return f"{one.metric} {one.says}"
    return (
        f"{one.metric} is {one.says} ({_number(one.ours)} against {_number(one.theirs)}, {one.difference:+.4f}, between {one.low:+.4f} and "
        f"{one.high:+.4f}, {one.queries:,} queries)"
    )


def table(ruling: Ruling) -> str:
    """Return the ruling as a page in Markdown: the sentence, and a row a rule."""
    lines = [
        f"# {ruling.challenger}: {ruling.outcome.replace('_', ' ')}", "", ruling.sentence, "",
        "| rule | metric | | challenger | champion | difference | interval | may fall | queries | groups | more needed |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for one in ruling.findings:
        between = "" if one.low is None or one.high is None else f"{one.low:+.4f} to {one.high:+.4f}"
        cells = [
            one.rule, one.metric, f"{one.held}: {one.says}", _number(one.ours), _number(one.theirs),
            "" if one.difference is None else f"{one.difference:+.4f}", between, _number(one.margin), _count(one.queries),
            _count(one.groups), _count(one.more),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.4f}" if abs(value) < 100 else f"{value:,.0f}"


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
