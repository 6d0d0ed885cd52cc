"""The model card: what a person must know before using the model, as Hugging Face's template has it, of what is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.evaluation.wording import BASELINES_MEAN, allowed, between, every_row, percent, retrieval_rows
from components.serving.card_metadata import UNDETERMINED, UNSTATED, front_matter


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a card is made of.

    Args:
        name: of the recipe.
        title: of the model.
        paper: title and number of the paper.
        source: as source.json has it, with the licence of every designer.
        data: digest of the data.
        licences: SPDX identifier -> pictures trained on.
        languages: code -> texts trained on.
        facts: name and value of what to know.
        metrics: as metrics.json has them.
        without: as without.json has it: what could not be measured, and why.
        use: what for -> what to copy.
    """

    name: str
    title: str
    paper: str
    source: Mapping[str, Any]
    data: str
    facts: Sequence[tuple[str, str]]
    metrics: Mapping[str, Mapping[str, Any]]
    without: Mapping[str, str]
    licences: Mapping[str, int] = field(default_factory=dict)
    languages: Mapping[str, int] = field(default_factory=dict)
    use: Mapping[str, str] = field(default_factory=dict)


def model_card(of: About) -> str:
    """Return model_card.md; the same bytes for the same arguments."""
    makers = "\n".join(f"- {who}: {licence}" for who, licence in of.source["designers"].items())
    return f"""{front_matter(of.name, of.source["name"], of.data, of.licences, of.languages, of.metrics)}
# {of.title}

{of.paper}

## Model details
Two encoders that put pictures and short texts in one space: nearest pictures of a text, nearest texts of a picture.

{chr(10).join(f"- {name}: {value}" for name, value in of.facts)}

`manifest.json` beside this card has the sha256 of every file, the git commit and the checksums of all that it was made from.

## Uses
Search of pictures like those it was trained on by text, and choice among names that its training data has.

Out of scope: its answers about people or for decisions about them mean nothing. Nobody has given the weights a licence; what is known is
that of the training pictures, below.

## Bias, risks and limitations
It knows what its training data shows, and nothing beside it. {allowed(of.metrics, of.source, of.without)}

## How to get started
{_snippets(of.use)}
## Training data
Source `{of.source["name"]}`, with pictures under these licences:

{makers}

{_counted("Pictures trained on, by licence", of.licences, {UNSTATED: "nobody stated one"})}{_counted("Texts trained on, by language", of.languages, {UNDETERMINED: "not determined"})}What came in, what was set aside and why, and what is not known of it: [dataset card](dataset_card.md).

## Training procedure
By the recipe `{of.name}`; its numbers are in the checkout that `manifest.json` names, the curves in [report.html](report.html). What training took in
seconds and energy differs from run to run and stands with the run, in MLflow.

## Evaluation
`val` was used to choose; no stage before evaluate can read the other splits.

| split | direction | | model | 95% between | chance | baseline | queries |
| --- | --- | --- | --- | --- | --- | --- | --- |
{_retrieval(of.metrics)}
{_further(of.metrics)}
What is taken for what, who fares worse and a map of its space: [report.html](report.html). Every number: [metrics.json](metrics.json).
"""


def _retrieval(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    return "\n".join(
        f"| {row['split']}: {row['means']} | {row['direction']} | R@{row['k']} | {percent(row['value'])} | {between(row)} "
        f"| {percent(row['chance'])} | {percent(row['baseline'])} | {row['n']:,} |"
        for row in retrieval_rows(metrics)
    )


def _further(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        f"| {row['asked']} | {row['split']} | {row['value']} | {row['between']} | {row['chance']} | {row['baseline']} | {row['n']:,} "
        f"| {row['method']} |\n"
        for row in every_row(metrics)
    ]
    head = "\n| what | split | model | 95% between | chance | baseline | n | how |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n"
    return f"{head}{''.join(rows)}\nBaselines: {BASELINES_MEAN}.\n" if rows else ""


def _counted(title: str, counts: Mapping[str, int], means: Mapping[str, str]) -> str:
    lines = [f"- {name}{f' ({means[name]})' if name in means else ''}: {count:,}" for name, count in counts.items()]
    return f"{title}:\n\n{chr(10).join(lines)}\n\n" if lines else ""


def _snippets(use: Mapping[str, str]) -> str:
    """Return what to copy, each in a block of its own; a shell's lines begin with a path, Python's with an import."""
    return "".join(
        f"{what}:\n\n```{'sh' if code.startswith('.') else 'python'}\n{code}```\n\n" for what, code in use.items()
    )
