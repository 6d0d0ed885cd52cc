"""The model card: what a person must know before using the model."""

from collections.abc import Mapping, Sequence
from typing import Any

from components.evaluation.wording import BASELINES_MEAN, allowed, between, further_rows, percent, retrieval_rows


def model_card(
    title: str,
    paper: str,
    source: Mapping[str, Any],
    facts: Sequence[tuple[str, str]],
    metrics: Mapping[str, Mapping[str, Any]],
    without: Mapping[str, str],
) -> str:
    """Return model_card.md.

    Args:
        title: of the model.
        paper: title and number of the paper.
        source: as source.json has it, with the licence of every designer.
        facts: name and value of what to know.
        metrics: as metrics.json has them.
        without: as without.json has it: what could not be measured, and why.
    """
    licences = "\n".join(f"- {who}: {licence}" for who, licence in source["designers"].items())
    rows = "\n".join(
        f"| {row['split']}: {row['means']} | {row['direction']} | R@{row['k']} | {percent(row['value'])} | {between(row)} "
        f"| {percent(row['chance'])} | {percent(row['baseline'])} | {row['n']:,} |"
        for row in retrieval_rows(metrics)
    )
    return f"""# {title}

{paper}

{chr(10).join(f"- {name}: {value}" for name, value in facts)}

## Data
Source `{source["name"]}`, with pictures under these licences:

{licences}

What came in, what was set aside and why, and what is not known of it: [dataset card](dataset_card.md).

## What it scores
`val` was used to choose; no stage before evaluate can read the other splits.

| split | direction | | model | 95% between | chance | baseline | queries |
| --- | --- | --- | --- | --- | --- | --- | --- |
{rows}
{_further(metrics)}
{allowed(metrics, source, without)}

## Use
Two encoders that put pictures and short texts in one space: nearest pictures of a text, nearest texts of a picture.
It knows what its training data shows, and nothing beside it; its answers about people or for decisions about them mean nothing.
"""


def _further(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        f"| {row['asked']} | {row['split']} | {row['value']} | {row['between']} | {row['chance']} | {row['baseline']} | {row['n']:,} "
        f"| {row['method']} |\n"
        for row in further_rows(metrics)
    ]
    head = "\n| what | split | model | 95% between | chance | baseline | n | how |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n"
    return f"{head}{''.join(rows)}\nBaselines: {BASELINES_MEAN}.\n" if rows else ""
