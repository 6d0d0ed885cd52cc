"""The page of a model: what it is, what it scores, on what, how it learned, what it finds, what it costs, where it comes from."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.evaluation.atlas import Atlas
from components.evaluation.cases import Case
from components.evaluation.confusion import Confusion
from components.evaluation.examples import Example
from components.evaluation.report.adapted import adapted
from components.evaluation.report.charts import chart, reliability
from components.evaluation.report.confusions import confusions
from components.evaluation.report.costs import Costs, costs
from components.evaluation.report.data import Data, data
from components.evaluation.report.galleries import finds, galleries
from components.evaluation.report.layout import Section, document, said
from components.evaluation.report.lineage import Lineage, lineage
from components.evaluation.report.mapped import embedding_map
from components.evaluation.report.sliced import slices
from components.evaluation.report.tables import further, retrieval
from components.evaluation.report.use import use
from components.evaluation.sliced import Sliced
from components.evaluation.wording import SPLIT_MEANS


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """All that a report says.

    Args:
        title: of the model.
        paper: whose method it is.
        facts: name and value of what to know of the model.
        metrics: as metrics.json has them.
        without: as without.json has it: what could not be measured, and why.
        data: on what.
        curves: name -> (step, value).
        split: of the cases and the map, and which stands first.
        cases: direction -> band -> queries with what was said to them.
        examples: texts with the pictures they find.
        calibration: label -> split -> means and bins, as evaluate's calibration.<label>.json has them.
        confusions: label -> split -> answers.
        slices: parts of the queries.
        atlas: the map of the space; None where there is none.
        costs: of a picture and a text.
        lineage: where it comes from.
        use: what for -> what to copy.
        raced: what raced where it was adapted, as adapted.json has it.
        held: how far it is from its start then, as against_start.json has it.
        advice: what came of it, in a sentence.
    """

    title: str
    paper: str
    facts: Sequence[tuple[str, str]]
    metrics: Mapping[str, Mapping[str, Any]]
    data: Data
    split: str
    without: Mapping[str, str] = field(default_factory=dict)
    curves: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    cases: Mapping[str, Mapping[str, Sequence[Case]]] = field(default_factory=dict)
    examples: Sequence[Example] = ()
    calibration: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    confusions: Mapping[str, Mapping[str, Confusion]] = field(default_factory=dict)
    slices: Sequence[Sliced] = ()
    atlas: Atlas | None = None
    costs: Costs = field(default_factory=Costs)
    lineage: Lineage = field(default_factory=Lineage)
    use: Mapping[str, str] = field(default_factory=dict)
    raced: Mapping[str, Any] | None = None
    held: Mapping[str, Any] | None = None
    advice: str = ""


def render(of: Contents) -> str:
    """Return the page; the same bytes for the same contents."""
    on = f"on {of.split}: {SPLIT_MEANS[of.split]}"
    return document(
        of.title,
        said(of.paper) + "<p>Two encoders that put pictures and short texts in one space: nearest pictures of a text, nearest texts of a picture.</p>",
        [
            Section(anchor="what", title="What it is", body=_facts(of.facts)),
            Section(anchor="adapted", title="What adapting changed", body=adapted(of.raced, of.held or {}, of.advice)),
            Section(anchor="scores", title="What it scores", body=retrieval(of.metrics)),
            Section(anchor="further", title="What else was measured", body=further(of.metrics)),
            Section(anchor="cases", title="Best, typical, worst", aside=on, body=galleries(of.cases)),
            Section(anchor="finds", title="What a text finds", aside="nearest first; framed: what it names", body=finds(of.examples)),
            Section(anchor="confusion", title="What is taken for what", body=confusions(of.confusions, of.split, of.without)),
            Section(anchor="slices", title="Who fares worse", body=slices(of.slices)),
            Section(anchor="believed", title="How far it can be believed", body=reliability(of.calibration)),
            Section(anchor="map", title="Map of its space", aside=on, body=embedding_map(of.atlas)),
            Section(anchor="data", title="On what data", body=data(of.data)),
            Section(anchor="learned", title="How it learned", body="".join(chart(*curve) for curve in of.curves.items())),
            Section(anchor="costs", title="What it costs", body=costs(of.costs)),
            Section(anchor="lineage", title="Where it comes from", body=lineage(of.lineage)),
            Section(anchor="use", title="How to use it", body=use(of.use)),
        ],
    )  # fmt: skip


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    items = "".join(f"<li>{html.escape(name)}: {html.escape(value)}</li>" for name, value in facts)
    return f"<ul>{items}</ul>" if items else ""
