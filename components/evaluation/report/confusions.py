"""What is taken for what, of zero-shot classification: all of a few classes, of many those that are taken for others most often."""

import html
from collections.abc import Mapping

from components.evaluation.confusion import Confusion, Taken
from components.evaluation.report.layout import said, table
from components.evaluation.wording import asks, percent, splits_of

FEW = 12  # classes; more make a table that nobody reads
WORST = 15  # pairs
SHADES = (0.05, 0.2, 0.4, 0.7)  # shares of a class from which a cell is darker


def confusions(found: Mapping[str, Mapping[str, Confusion]], split: str, without: Mapping[str, str]) -> str:
    """Return the answers of each set of labels, split by split, and why others are missing.

    Args:
        found: label -> split -> answers.
        split: which stands open; others unfold.
        without: what could not be measured -> why.
    """
    parts = []
    for label, splits in found.items():
        shown = list(splits_of(splits))
        first = split if split in splits else shown[0]
        parts.append(f"<h3>{html.escape(label)}</h3>{_answers(label, first, splits[first])}")
        parts += [
            f"<details><summary>{html.escape(label)} on {name}: {asks(name)}</summary>{_answers(label, name, splits[name])}</details>"
            for name in shown
            if name != first
        ]
    missing: dict[str, list[str]] = {}
    for what, why in without.items():
        if what.startswith("zero_shot."):
            missing.setdefault(why, []).append(what)
    for why, names in missing.items():
        parts.append(said(f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} not measured: {why}."))
    if not parts:
        parts.append(said("No split has any: the recipe lists no zero-shot classification among its evaluators."))
    return "".join(parts)


def _answers(label: str, split: str, one: Confusion) -> str:
    right = sum(count for (true, answer), count in one.counts.items() if true == answer)
    head = said(f"{split}, {asks(split)}: {right:,} of {one.pictures:,} pictures right, {len(one.classes):,} classes.")
    return head + (_all(label, split, one) if len(one.classes) <= FEW else _worst(label, split, one))


def _all(label: str, split: str, one: Confusion) -> str:
    """Return a row a class with how often it was said to be each."""
    sizes = {true: one.taken(true, true).of for true in one.classes}
    rows = [
        [html.escape(true), *(_cell(one.taken(true, answer)) for answer in one.classes)]
        for true in one.classes
        if sizes[true]
    ]
    label = f"What is taken for what: {label} on {split}"
    head = ("is ↓, said →", *one.classes)
    return table(label, head, rows, numbers=range(1, len(head)))


def _cell(one: Taken) -> str:
    shade = sum(one.share >= bound for bound in SHADES)
    kinds = ["n", *([f"h{shade}"] if shade else []), *(["big"] if one.true == one.answer else [])]
    return f"<td class='{' '.join(kinds)}'>{one.count:,}</td>"


def _worst(label: str, split: str, one: Confusion) -> str:
    """Return the pairs that are taken for one another most often, and what was left out."""
    worst = one.worst()
    rows = [
        [html.escape(pair.true), html.escape(pair.answer), f"{pair.count:,}", f"{pair.of:,}", percent(pair.share)]
        for pair in worst[:WORST]
    ]
    if not rows:
        return said("Nothing is taken for anything else.")
    shown = table(
        f"Taken for something else most often: {label} on {split}",
        ("is", "said", "pictures", "of its class", "share"),
        rows,
        numbers=(2, 3, 4),
    )
    left = worst[WORST:]
    return shown + (
        said(f"Left out: {len(left):,} more pairs, with {sum(pair.count for pair in left):,} pictures.") if left else ""
    )
