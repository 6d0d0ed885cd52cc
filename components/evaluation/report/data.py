"""On what data: where every sample went, step by step, and what is known of those that were trained on."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.evaluation.report.layout import said, table
from components.evaluation.wording import SPLIT_MEANS, percent

UNSTATED = "NOASSERTION"  # SPDX: nobody said
UNKNOWN = "und"  # ISO 639: undetermined


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one step did to the samples; what came in or was made is what is left and what was left out.

    Args:
        name: of the step.
        came_in: samples before.
        left: samples after.
        made: samples that were not there before.
        aside: reason -> samples that it left out.
    """

    name: str
    came_in: int
    left: int
    made: int = 0
    aside: Mapping[str, int] = field(default_factory=dict)


def steps_of(validated: Mapping[str, Any], curated: Mapping[str, Any], trained: Mapping[str, Any]) -> tuple[Step, ...]:
    """Return every step from what was found to what was trained on.

    Args:
        validated: report.json of stage validate.
        curated: report.json of stage curate.
        trained: metrics.json of stage pretrain.
    """
    ingest = validated["ingest"]
    rejected: Mapping[str, int] = ingest.get("rejected", {})
    aside = {code: its["rows"] - rejected.get(code, 0) for code, its in validated["reasons"].items()}
    kept = validated["clean"] + validated["pools"]
    steps = [
        Step(name="ingest", came_in=ingest["rows_in"], left=ingest["samples"], aside=rejected),
        Step(name="validate", came_in=ingest["samples"], left=kept, aside={code: n for code, n in aside.items() if n}),
        Step(name="held out to test on", came_in=kept, left=validated["clean"], aside={"pools": validated["pools"]} if validated["pools"] else {}),
    ]  # fmt: skip
    for report in (curated, *curated.get("ops", ()), *([curated["needs"]] if "needs" in curated else ())):
        steps.append(
            Step(
                name=f"curate: {report['op']}", came_in=report["rows_in"], left=report["rows_out"], made=report.get("made", 0),
                aside=report["dropped"],
            )
        )  # fmt: skip
    last, pictures = steps[-1].left, trained["pictures"]
    held = {"val, to choose by": last - pictures} if last > pictures else {}  # curation's last step saw it too
    steps.append(Step(name="train", came_in=last, left=pictures, aside=held))
    return tuple(steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """What is known of the data.

    Args:
        validated: report.json of stage validate.
        digest: of the samples that were trained on.
        steps: from what was found to what was trained on.
        languages: code -> texts that were trained on.
        licences: SPDX identifier -> pictures that were trained on.
    """

    validated: Mapping[str, Any]
    digest: str = ""
    steps: Sequence[Step] = ()
    languages: Mapping[str, int] = field(default_factory=dict)
    licences: Mapping[str, int] = field(default_factory=dict)


def data(found: Data) -> str:
    """Return the tables of the data."""
    return (
        said(f"Source {found.validated['source']}, snapshot {found.validated['digest'][:12]}.")
        + _steps(found.steps)
        + _splits(found.validated)
        + _counted("Licences", "licence", "pictures trained on", found.licences, {UNSTATED: "nobody stated one"})
        + _counted("Languages", "language", "texts trained on", found.languages, {UNKNOWN: "not determined"})
        + _without(found.validated["without"])
    )


def _steps(steps: Sequence[Step]) -> str:
    rows = [
        [
            html.escape(step.name), f"{step.came_in:,}", f"{step.made:,}" if step.made else "", f"<td class='n big'>{step.left:,}</td>",
            f"{step.came_in + step.made - step.left:,}", _reasons(step.aside),
        ]
        for step in steps
    ]  # fmt: skip
    head = ("step", "came in", "made", "kept", "left out", "why")
    return "<h3>Step by step</h3>" + table("Samples by step", head, rows, numbers=(1, 2, 3, 4)) if rows else ""


def _splits(validated: Mapping[str, Any]) -> str:
    """Return where every sample that came in went, by split, and why some were set aside."""
    rows = [
        [
            f"{html.escape(split)} <span class=muted>{html.escape(SPLIT_MEANS.get(split, ''))}</span>".replace(" <span class=muted></span>", ""),
            f"{its['rows_in']:,}", f"<td class='n big'>{its['kept']:,}</td>", f"{its['rows_in'] - its['kept']:,}", _reasons(its["reasons"]),
        ]
        for split, its in validated["splits"].items()
    ]  # fmt: skip
    rows.append(
        [
            "all", f"{validated['rows_in']:,}", f"<td class='n big'>{validated['clean'] + validated['pools']:,}</td>",
            f"{validated['quarantined']:,}", "",
        ]
    )  # fmt: skip
    head = ("split", "came in", "kept", "set aside", "why")
    return "<h3>Split by split</h3>" + table("Samples by split", head, rows, numbers=(1, 2, 3))


def _counted(title: str, what: str, of: str, counts: Mapping[str, int], means: Mapping[str, str]) -> str:
    whole = sum(counts.values())
    rows = [
        [html.escape(f"{name} ({means[name]})" if name in means else name), f"{count:,}", percent(count / whole)]
        for name, count in counts.items()
    ]
    return (
        f"<h3>{title}</h3>" + table(f"{title} of what was trained on", (what, of, "share"), rows, numbers=(1, 2))
        if rows
        else ""
    )


def _reasons(counts: Mapping[str, int]) -> str:
    return html.escape(", ".join(f"{reason} {count:,}" for reason, count in counts.items()))


def _without(why: Mapping[str, str]) -> str:
    items = "".join(f"<li>{html.escape(what)}: {html.escape(reason)}</li>" for what, reason in why.items())
    return f"<h3>What this data does not allow, or left out</h3><ul>{items}</ul>" if items else ""
