"""Captions said in other languages too, behind the ones they came from; what could not be said is counted, and read as it stands.

Source: Silva et al. 2024, arXiv:2410.23370, section 3.1 (each caption translated once into nine languages). Differs: a translation in a script that its language
has not is refused, and those that come back as something else may be. Which language a step reads is decided in training.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import fsum
from typing import Any

import pyarrow as pa

from components.contracts.curation import Report, RowOp
from components.contracts.errors import ConfigError, DataError
from components.contracts.features import Features
from components.curation.leaving_out import examples
from components.curation.ops.measure import with_columns
from components.curation.translators.translator import Translator
from components.data.language import fits_script

SUSPECT = (
    0.2  # share of a language's translations that say the same as before, above which the translator may have failed
)
TRANSLATED, UNCHANGED, MISSING, SCRIPT, BACK = "translated", "unchanged", "missing", "wrong script", "not the same back"
TAKEN = (TRANSLATED, UNCHANGED)
_FOUND = pa.list_(
    pa.struct([("kind", pa.string()), ("lang", pa.string()), ("outcome", pa.string()), ("text", pa.string()), ("back", pa.float64())])
)  # fmt: skip


class Translate(RowOp):
    """Writes what each text of one language says in others, of the same kind, and leaves nothing out.

    A sample that has a text of that kind and language already keeps it, and gets none. Without a translation a step reads the sample in the languages that it
    has, the first one at least.

    Args:
        translator: says it.
        languages: into which.
        of: which texts are translated; those of one language.
        strict: whether a text without a translation is an error.
        back: least share of words that must come back where the translation is translated again, 0 to 1; none asks for no way back.

    Raises ConfigError, before anything is read, for languages that the translator has not, and for a share that is none.
    """

    def __init__(
        self, translator: Translator, languages: Sequence[str], of: str = "en", strict: bool = False, back: float | None = None
    ) -> None:  # fmt: skip
        self.translator, self.languages, self.of, self.strict, self.back = (
            translator,
            tuple(languages),
            of,
            strict,
            back,
        )
        asked = [(of, into) for into in self.languages]
        if back is not None:
            asked += [(into, of) for into in self.languages]
            if not 0 <= back <= 1:
                raise ConfigError(f"back is {back}, but is a share of words. Give 0 to 1, or leave it out.")
        if not asked or len(set(self.languages)) < len(self.languages):
            raise ConfigError(f"languages is {list(languages)}. Give different codes, one at least, such as [de, es].")
        pairs = translator.pairs
        if lacking := [f"{one} to {other}" for one, other in asked if (one, other) not in pairs]:
            there = ", ".join(f"{one} to {other}" for one, other in sorted(pairs))
            raise ConfigError(
                f"languages asks for {', '.join(lacking)}, but {type(translator).__name__} translates {there}. Name languages of these, or give it the "
                "others."
            )

    @property
    def needs(self) -> tuple[str, ...]:
        """Return where the texts are."""
        return ("texts",)

    @property
    def adds(self) -> tuple[str, ...]:
        """Return the texts, of which there are more."""
        return ("texts",)

    @property
    def kept_as(self) -> str:
        """Return the translator's name, with what it was asked; empty where it has none."""
        asked = f"{self.name} {self.of} into {', '.join(self.languages)}{'' if self.back is None else f', back {self.back}'}"
        return f"{asked} by {called}" if (called := self.translator.kept_as) else ""

    def find(self, rows: pa.Table, seed: int) -> pa.Table:
        """Return of each row its `translations`: kind, lang, outcome, and text and share that came `back` where there are any."""
        known: dict[tuple[str, str], dict[str, Any]] = {}  # many pictures have the same caption
        found = []
        for texts in rows["texts"].to_pylist():
            there = {(one["kind"], one["lang"]) for one in texts or []}
            own = [one for one in texts or [] if one["lang"] == self.of and (one["text"] or "").strip()]
            made = []
            for one in own:
                for into in self.languages:
                    if (one["kind"], into) in there:
                        continue
                    asked = (one["text"], into)
                    if asked not in known:
                        known[asked] = self._said(*asked)
                    made.append({"kind": one["kind"], "lang": into, **known[asked]})
            found.append(made)
        return pa.table({"translations": pa.array(found, _FOUND)})

    def finish(self, table: pa.Table, found: pa.Table, features: Features) -> tuple[pa.Table, Report]:
        """Return all rows; the report counts by outcome and language, and warns of a language in which too much stays as it was.

        Raises DataError where it has to be strict and something could not be said.
        """
        texts: list[list[dict[str, str]] | None] = table["texts"].to_pylist()
        counts, back = Counter[tuple[str, str]](), dict[str, list[float]]()
        places: Mapping[str, list[int]] = {outcome: [] for outcome in (*TAKEN, MISSING, SCRIPT, BACK)}
        for row, made in enumerate(found["translations"].to_pylist()):
            for one in made:
                counts[one["outcome"], one["lang"]] += 1
                places[one["outcome"]].append(row)
                if one["back"] is not None:
                    back.setdefault(one["lang"], []).append(one["back"])
            new = [
                {"text": one["text"], "kind": one["kind"], "lang": one["lang"]}
                for one in made
                if one["outcome"] in TAKEN
            ]
            if new:
                texts[row] = [*(texts[row] or []), *new]
        lacking = {outcome: rows for outcome, rows in places.items() if outcome not in TAKEN and rows}
        if self.strict and lacking:
            told = "; ".join(
                f"{outcome}: {', '.join(examples(table, _once(rows))[:3])}" for outcome, rows in lacking.items()
            )
            raise DataError(
                f"{self.name} is strict, but {sum(map(len, lacking.values())):,} captions could not be translated ({told}). Give the translator what it "
                "lacks, leave these samples out, or set strict to false, and they are read as they stand."
            )
        translated = with_columns(table, {"texts": pa.array(texts, table.schema.field("texts").type)})
        stats = {
            f"{outcome} {into}": float(counts[outcome, into])
            for into in self.languages
            for outcome in places
            if counts[outcome, into]
        }
        return translated, Report(
            op=self.name, rows_in=len(table), rows_out=len(table),
            examples={outcome: examples(table, _once(rows)) for outcome, rows in places.items() if rows},
            stats=stats | {f"back {into}": fsum(shares) / len(shares) for into, shares in sorted(back.items())},
            warnings=tuple(self._suspect(counts)),
        )  # fmt: skip

    def _said(self, text: str, into: str) -> dict[str, Any]:
        """Return how it went, the text, and the share that came back."""
        new, share = self.translator.translate(text, self.of, into), None
        if not (new and new.strip()):
            return {"outcome": MISSING, "text": None, "back": None}
        if not fits_script(new, into):
            return {"outcome": SCRIPT, "text": None, "back": None}
        if self.back is not None:
            share = shared_words(text, self.translator.translate(new, into, self.of) or "")
            if share < self.back:
                return {"outcome": BACK, "text": None, "back": share}
        return {"outcome": UNCHANGED if new == text else TRANSLATED, "text": new, "back": share}

    def _suspect(self, counts: Mapping[tuple[str, str], int]) -> list[str]:
        """Return a sentence for each language of which too many translations are what they were made of."""
        said = []
        for into in self.languages:
            same, whole = counts[UNCHANGED, into], sum(counts[outcome, into] for outcome in TAKEN)
            if same > SUSPECT * whole:
                said.append(
                    f"{same:,} of {whole:,} translations into {into} say the same as before, {same / whole:.0%}: the translator may not know that "
                    "language. Look at some of them, under `unchanged`."
                )
        return said


def shared_words(one: str, other: str) -> float:
    """Return how many words two texts share, as the harmonic mean of both's shares, 0 to 1; case does not count."""
    ours, theirs = (Counter(text.lower().split()) for text in (one, other))
    shared, whole = (ours & theirs).total(), ours.total() + theirs.total()
    return 2 * shared / whole if whole else 0.0


def _once(rows: Sequence[int]) -> list[int]:
    return list(dict.fromkeys(rows))
