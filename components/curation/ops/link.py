"""Where the captions name concepts: terms of a list, or the things that a grammar finds.

Source: Nie et al. 2025, arXiv:2501.15579 (ConceptCLIP), section on MedConcept-23M, whose linker knows the terms of UMLS. Differs: terms are
a list, found word by word; with none, they are the things that components/curation/phrases.py reads.
"""

import random
import re
from collections.abc import Iterable, Sequence

import pyarrow as pa

from components.contracts.curation import Report, RowOp
from components.contracts.errors import ConfigError
from components.contracts.features import Features
from components.contracts.text_pick import Place
from components.curation.ops.measure import with_columns
from components.curation.ops.parse import ENGLISH
from components.curation.phrases import phrases
from components.data.mentions import COLUMN, TYPE


class Link(RowOp):
    """Adds the column `mentions`, and leaves nothing out; a step after it that changes texts makes it wrong.

    Args:
        lexicon: terms, of one word or several, in whatever case; null takes the things that English captions name.
        missing: share of the mentions that are left out, in [0, 1): how a linker that is not perfect is tried.
    """

    def __init__(self, lexicon: Sequence[str] | None = None, missing: float = 0.0) -> None:
        if lexicon is not None and not all(term.strip() for term in lexicon or [""]):
            raise ConfigError(f"lexicon is {list(lexicon)}. Give terms, none of them empty, or null for what is named.")
        if not 0 <= missing < 1:
            raise ConfigError(f"missing is {missing}, but it is a share that is left out. Give a number in [0, 1).")
        self.lexicon, self.missing = lexicon, missing

    @property
    def needs(self) -> tuple[str, ...]:
        """Return where the texts are."""
        return ("texts",)

    @property
    def adds(self) -> tuple[str, ...]:
        """Return the column."""
        return (COLUMN,)

    def find(self, rows: pa.Table, seed: int) -> pa.Table:
        """Return the column, and how many were left out."""
        listed, lost = [], []
        for key, texts in zip(rows["key"].to_pylist(), rows["texts"].to_pylist(), strict=True):
            luck, found = random.Random(f"{seed} {key}"), [self._places(text) for text in texts or ()]
            kept = [[place for place in places if luck.random() >= self.missing] for places in found]
            listed.append([[{"first": first, "last": last} for first, last in places] for places in kept])
            lost.append(sum(map(len, found)) - sum(map(len, kept)))
        return pa.table({COLUMN: pa.array(listed, TYPE), "lost": pa.array(lost, pa.int32())})

    def finish(self, table: pa.Table, found: pa.Table, features: Features) -> tuple[pa.Table, Report]:
        """Return all rows with their mentions; the report says how many there are, and how many texts have none."""
        counts = [len(places) for listed in found[COLUMN].to_pylist() for places in listed]
        stats = {
            "mentions": sum(counts), "texts without one": counts.count(0), "left out": sum(found["lost"].to_pylist()),
        }  # fmt: skip
        report = Report(op=self.name, rows_in=len(table), rows_out=len(table), stats=stats)
        return with_columns(table, {COLUMN: found[COLUMN]}), report

    def _places(self, text: dict[str, str]) -> list[Place]:
        said = text["text"] or ""
        if self.lexicon is not None:
            return places(said, self.lexicon)
        return places(said, [one.noun for one in phrases(said)]) if (text["lang"] or "") in ENGLISH else []


def places(text: str, terms: Iterable[str]) -> list[Place]:
    """Return where a text has one of the terms, as whole words; of two that overlap the first, and of two that begin alike the longer."""
    listed = sorted({re.escape(term.strip()) for term in terms}, key=lambda term: (-len(term), term))
    if not listed:
        return []
    return [found.span() for found in re.finditer(rf"(?<!\w)(?:{'|'.join(listed)})(?!\w)", text, re.IGNORECASE)]
