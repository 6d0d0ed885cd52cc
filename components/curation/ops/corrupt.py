"""Captions made wrong on purpose, each marked with how: what a filter, a check or a loss that bears noise is tried on.

Source: Li, Socher, Hoi 2020, arXiv:2002.07394, section 4.1 (labels made wrong at a known share), carried over to captions; Huang et al. 2021,
"Learning with Noisy Correspondence for Cross-modal Matching", section 4.1 (captions of other pictures). Differs: more ways of being wrong.
"""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from components.contracts.curation import CurationOp, Report
from components.contracts.errors import ConfigError
from components.contracts.features import Features
from components.curation.leaving_out import draws, examples, shares
from components.curation.ops.measure import with_columns
from components.curation.phrases import COLOUR_WORDS

DEFECTS = ("swap", "drop", "shuffle", "colour", "repeat", "empty", "copy")
COPY = "~copy"  # behind the key of a copy
Texts = list[dict[str, Any]]


class Corrupt(CurationOp):
    """Adds `corrupt_true`, the defect or null, and `original`, the texts before; leaves nothing out.

    Never for a model that is meant to be used. `swap`: the texts of another sample that is swapped too; `drop`: a word is gone; `shuffle`: the words in
    another order; `colour`: another colour; `repeat`: all is said three times; `empty`: the text is empty; `copy`: the sample is there twice, under
    another key. A sample on which the defect that was drawn changes nothing, such as one without a colour, stays as it is and is not marked.

    Args:
        share: of the samples, above 0 and up to 1, on which a defect is tried.
        defects: of which one is drawn for each.
    """

    def __init__(self, share: float = 0.1, defects: Sequence[str] = ("swap", "drop", "shuffle", "colour")) -> None:
        if not 0 < share <= 1:
            raise ConfigError(
                f"share is {share}, but it is the share that is made wrong. Give a number above 0 and up to 1."
            )
        for defect in defects:
            if defect not in DEFECTS:
                raise ConfigError(f"defects has {defect!r}, which is none. There are {', '.join(DEFECTS)}.")
        if not defects:
            raise ConfigError(f"defects is empty, so nothing would be wrong. Name one or more of {', '.join(DEFECTS)}.")
        self.share, self.defects = share, tuple(defects)

    @property
    def needs(self) -> tuple[str, ...]:
        """Return where the texts are."""
        return ("texts",)

    @property
    def adds(self) -> tuple[str, ...]:
        """Return the texts, and the truth."""
        return ("texts", "corrupt_true", "original")

    def apply(self, table: pa.Table, features: Features, seed: int) -> tuple[pa.Table, Report]:
        """Return all rows, copies behind the others; the report has examples of each defect."""
        texts: list[Texts] = [list(one or ()) for one in table["texts"].to_pylist()]
        drawn = draws(table, seed, "Corrupt: which")
        tried = shares(table, seed, "Corrupt: whether") < self.share
        defect = [
            self.defects[int(one) % len(self.defects)] if tries else "" for one, tries in zip(drawn, tried, strict=True)
        ]
        changed = self._changed(table, texts, defect, seed)
        truth = [
            how if how == "copy" or new != old else "" for how, old, new in zip(defect, texts, changed, strict=True)
        ]
        kind = table.schema.field("texts").type
        wrong = with_columns(
            table,
            {
                "texts": pa.array(changed, kind), "original": pa.array(texts, kind),
                "corrupt_true": pa.array([how if how and how != "copy" else None for how in truth], pa.string()),
            },
        )  # fmt: skip
        copies = self._copies(wrong.take(pa.array([at for at, how in enumerate(truth) if how == "copy"], pa.int64())))
        places = {how: [at for at, one in enumerate(truth) if one == how] for how in self.defects}
        return pa.concat_tables([wrong, copies]), Report(
            op=self.name, rows_in=len(table), rows_out=len(table) + len(copies), made=len(copies),
            examples={how: examples(table, its) for how, its in places.items() if its},
            stats={how: len(its) for how, its in places.items()},
        )  # fmt: skip

    def _changed(self, table: pa.Table, texts: list[Texts], defect: list[str], seed: int) -> list[Texts]:
        luck = draws(table, seed, "Corrupt: how")
        swapped = np.array([at for at, how in enumerate(defect) if how == "swap"], np.int64)
        swapped = swapped[np.argsort(luck[swapped])]
        partner = dict(zip(swapped.tolist(), np.roll(swapped, 1).tolist(), strict=True))
        return [
            texts[partner[at]] if how == "swap"
            else [text | {"text": _wrong(how, text["text"] or "", random.Random(int(luck[at])))} for text in texts[at]]
            for at, how in enumerate(defect)
        ]  # fmt: skip

    def _copies(self, rows: pa.Table) -> pa.Table:
        keys = pa.compute.binary_join_element_wise(rows["key"], COPY, "")
        return with_columns(rows, {"key": keys, "corrupt_true": pa.array(["copy"] * len(rows), pa.string())})


def _wrong(how: str, text: str, luck: random.Random) -> str:
    """Return a text with a defect; the same where it cannot have that."""
    words = text.split()
    if how == "empty":
        return ""
    if how == "repeat":
        return " ".join(words * 3)
    if how == "drop" and len(words) > 1:
        del words[luck.randrange(len(words))]
        return " ".join(words)
    if how == "shuffle" and len(set(words)) > 1:
        mixed = list(words)
        while mixed == words:
            luck.shuffle(mixed)
        return " ".join(mixed)
    if how == "colour" and (
        places := [at for at, word in enumerate(words) if word.lower().strip(",.") in COLOUR_WORDS]
    ):
        at = luck.choice(places)
        bare = words[at].lower().strip(",.")
        words[at] = words[at].lower().replace(bare, luck.choice(sorted(COLOUR_WORDS - {bare})))
        return " ".join(words)
    return text
