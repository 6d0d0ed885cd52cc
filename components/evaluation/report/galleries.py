"""The pictures of a report: what a model got best, typically and worst, and what texts find."""

import html
from collections.abc import Mapping, Sequence

from components.data.pictures import on_white
from components.data.thumbnail import data_uri
from components.evaluation.cases import Case
from components.evaluation.examples import Example
from components.evaluation.wording import DIRECTION_MEANS

BAND_MEANS = {
    "best": "right, and surest of it",
    "typical": "in the middle of all",
    "worst": "furthest down",
}


def galleries(cases: Mapping[str, Mapping[str, Sequence[Case]]]) -> str:
    """Return the cases of both directions; nothing where the split has none."""
    return "".join(gallery(direction, bands) for direction, bands in cases.items())


def gallery(direction: str, bands: Mapping[str, Sequence[Case]]) -> str:
    """Return the cases of one direction, a row a band."""
    rows = "".join(
        f"<div class=row><b>{band}<br><span class=muted>{BAND_MEANS[band]}</span></b>{''.join(map(case, found))}</div>"
        for band, found in bands.items()
        if found
    )
    return f"<h3>{DIRECTION_MEANS[direction]}</h3>{rows}"


def case(one: Case) -> str:
    """Return a query with its own right answer, and with what came first instead."""
    if one.said is None:
        said, instead = "", ""
    elif isinstance(one.said, str):
        said, instead = f"<br>said: {html.escape(one.said)}", ""
    else:
        said, instead = "<br>found first: the second", image(one.said, "what came first instead", "wrong")
    right = "right" if one.said is None else ""
    return (
        f"<figure>{image(one.picture, one.name, right)}{instead}<figcaption>{html.escape(one.name)}"
        f"<span class=muted>{said}<br>rank {one.rank:,} of {one.of:,}</span></figcaption></figure>"
    )


def finds(examples: Sequence[Example]) -> str:
    """Return texts with what they find."""
    return "".join(map(example, examples))


def example(one: Example) -> str:
    """Return a text with its nearest pictures."""
    shown = "".join(
        image(found.picture, f"{place} nearest: {'what it names' if found.right else 'something else'}", "right" if found.right else "")
        for place, found in enumerate(one.shown, 1)
    )  # fmt: skip
    return f"<div class=row><b>{html.escape(one.text)}</b>{shown}</div>"


def image(data: bytes, name: str, kind: str) -> str:
    """Return a thumbnail."""
    return f"<img class='{kind}' alt='{html.escape(name)}' src='{data_uri(on_white(data))}'>"
