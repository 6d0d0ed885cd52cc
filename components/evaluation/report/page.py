"""The page of a model: what it scores, on what, how it learned, what it finds."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from components.evaluation.cases import Case
from components.evaluation.examples import Example
from components.evaluation.report.charts import chart, reliability
from components.evaluation.report.galleries import example, galleries
from components.evaluation.report.layout import STYLE
from components.evaluation.report.tables import counts, further, table


def render(
    title: str, facts: Sequence[tuple[str, str]], metrics: Mapping[str, Mapping[str, Any]], data: Mapping[str, Any],
    curves: Mapping[str, Sequence[tuple[int, float]]], split: str, cases: Mapping[str, Mapping[str, Sequence[Case]]],
    examples: Sequence[Example], calibration: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None,
) -> str:  # fmt: skip
    """Return the page; the same bytes for the same arguments.

    Args:
        facts: name and value of what to know of the model.
        metrics: as metrics.json has them.
        data: report.json of the validation.
        curves: name -> (step, value).
        split: of the cases.
        cases: direction -> band -> queries with what was said to them.
        examples: texts with the pictures they find.
        calibration: label -> split -> means and bins, as evaluate's calibration.<label>.json has them.
    """
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{html.escape(title)}</title><style>{STYLE}</style>
<h1>{html.escape(title)}</h1>
<p class="muted">{" · ".join(f"{html.escape(name)} {html.escape(value)}" for name, value in facts)}</p>
<h2>What it scores</h2>{table(metrics)}
<p class="muted">Recall at k: how often the right answer is among the first k. Chance is a blind guess. The baseline lends
each picture the name of the training picture nearest to it by edges and colours. In 95 of 100 such cases what a model gets
over all pictures of the kind lies between the two ends. <i>val</i> was used to choose; no stage
before evaluate can read the others.</p>
{further(metrics)}
{reliability(calibration or {})}
<h2>On what data</h2>{counts(data)}
<h2>How it learned</h2>{"".join(chart(name, points) for name, points in curves.items())}
{galleries(split, cases)}
<h2>What a text finds <span class="muted">nearest first; green: what it names</span></h2>
{"".join(example(one) for one in examples)}
</html>
"""
