"""Of which kind a caption is: a name or a sentence, the alt text of a page, or a description of several sentences.

A recipe may read some kinds and not others, or each in its own way: `training.texts`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from components.contracts.sample import SHORT
from components.data.sources.columns import OF_THEIR_KIND, plain
from components.data.sources.rows import texts_of


def captions_of(
    row: Mapping[str, Any], role: Mapping[str, str], read: Callable[[Any], Sequence[str]] = texts_of
) -> dict[str, str]:
    """Return each caption of a row, once -> its kind: that of the first place where it stands.

    Args:
        role: role -> where it stands in the row. `kind` is that of what stands at `caption`, SHORT where it is empty.
        read: returns what a cell says.
    """
    said = next(iter(read(row.get(role["kind"]))), "") if "kind" in role else ""
    found: dict[str, str] = {}
    for name, kind in {"caption": plain(said) or SHORT, **dict(zip(OF_THEIR_KIND, OF_THEIR_KIND, strict=True))}.items():
        for text in read(row.get(role[name])) if name in role else ():
            found.setdefault(text, kind)
    return found


def column_of(role: Mapping[str, str]) -> str:
    """Return where captions stand, first of all at `caption`."""
    return next(role[one] for one in ("caption", *OF_THEIR_KIND) if one in role)


def joined(captions: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """Return caption -> kind of both, in their order; of one that is in both, the first's kind."""
    return {**captions, **more, **captions}
