"""Captions written anew, and held against the old ones: what is named in the new one has to be named there.

Source: Fan et al. 2023, arXiv:2305.20088, section 3 (captions rewritten, the picture the same); Lai et al. 2023, arXiv:2310.07699, section 3 (and what is
made up in them taken out). Differs: a writer may also be a grammar or a list of words, and a caption with anything made up is not taken at all.
"""

import random
from collections.abc import Mapping

import pyarrow as pa

from components.contracts.curation import Report, RowOp
from components.contracts.features import Features
from components.curation.leaving_out import draws, examples
from components.curation.ops.measure import with_columns
from components.curation.ops.parse import ENGLISH, named
from components.curation.phrases import phrases
from components.curation.writers.writer import Writer


class Rewrite(RowOp):
    """Writes one new caption a sample, of its first English one, and leaves nothing out.

    Args:
        writer: writes them.
        kind: of the new text; an old one of that kind gives way.
        instead: whether all old texts give way, or the new one stands behind them.
        check: whether a caption is refused that names what the old one does not; false has sense where the writer sees the picture, and is
            to say more. Nothing then holds what it makes up against anything.
    """

    def __init__(self, writer: Writer, kind: str = "rewritten", instead: bool = False, check: bool = True) -> None:
        self.writer, self.kind, self.instead, self.check = writer, kind, instead, check

    @property
    def needs(self) -> tuple[str, ...]:
        """Return where the texts are."""
        return ("texts",)

    @property
    def adds(self) -> tuple[str, ...]:
        """Return the texts, which it writes anew."""
        return ("texts",)

    @property
    def kept_as(self) -> str:
        """Return the writer's name, with the kind of text that is passed over; empty where the writer has none."""
        checked = "" if self.check else ", not checked"
        return f"{self.name} {self.kind}{checked} by {called}" if (called := self.writer.kept_as) else ""

    @property
    def sees(self) -> bool:
        """Return whether the writer does."""
        return self.writer.sees

    def find(self, rows: pa.Table, seed: int) -> pa.Table:
        """Return of each row how it went, `outcome`, and the new `text`."""
        drawn = draws(rows, seed, "Rewrite").tolist()
        pictures: list[bytes | None] = rows["picture"].to_pylist() if self.sees else [None] * len(rows)
        found = [
            self._written(texts or [], random.Random(luck), picture)
            for texts, luck, picture in zip(rows["texts"].to_pylist(), drawn, pictures, strict=True)
        ]
        outcomes, texts = zip(*found, strict=True)
        return pa.table({"outcome": pa.array(outcomes, pa.string()), "text": pa.array(texts, pa.string())})

    def finish(self, table: pa.Table, found: pa.Table, features: Features) -> tuple[pa.Table, Report]:
        """Return all rows; the report counts what was `written`, `not written` and `refused` for naming what the old one does not."""
        texts: list[list[dict[str, str]] | None] = table["texts"].to_pylist()
        places: Mapping[str, list[int]] = {"written": [], "not written": [], "refused": []}
        for row, one in enumerate(found.to_pylist()):
            places[one["outcome"]].append(row)
            if one["text"] is not None:
                kept = [] if self.instead else [old for old in texts[row] or [] if old["kind"] != self.kind]
                texts[row] = [*kept, {"text": one["text"], "kind": self.kind, "lang": "en"}]
        rewritten = with_columns(table, {"texts": pa.array(texts, table.schema.field("texts").type)})
        return rewritten, Report(
            op=self.name, rows_in=len(table), rows_out=len(table),
            examples={outcome: examples(table, its) for outcome, its in places.items() if its},
            stats={outcome: len(its) for outcome, its in places.items()},
        )  # fmt: skip

    def _written(
        self, texts: list[dict[str, str]], luck: random.Random, picture: bytes | None
    ) -> tuple[str, str | None]:
        old = next((one for one in texts if (one["lang"] or "") in ENGLISH and one["kind"] != self.kind), None)
        names = named([old]) if old else ()
        if not (names or self.sees):
            return "not written", None
        new = self.writer.write(old["text"] or "" if old else "", names, luck, picture)
        if not new:
            return "not written", None
        known = {word for one in names for word in (one.noun, *one.attributes)}
        said = {self.writer.means(word) for one in phrases(new) for word in (one.noun, *one.attributes)}
        if self.check and not said <= known:
            return "refused", None
        return "written", new
