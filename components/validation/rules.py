"""What every row of a manifest, every text and every measured picture has to be, as data: a rule and the reason for failing it.

Two tables are checked, one row a sample and one row a text. suite.py hands the rules to Great Expectations, in the
pipeline; by_column.py answers the same at once, where there is no time to import that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.contracts.sample import SPLITS
from components.data.language import fits_script
from components.data.transforms.preprocess import MAX_PIXELS

Kind = Literal["rows", "given", "unique", "among", "not_among", "between"]
FAULTS = ("found", "intact", "flaw")  # columns of which measuring has said what is wrong
_FLAWS = {  # code of a picture that cannot be decoded -> what does not hold of it
    "zero_bytes": "the picture has bytes",
    "not_an_image": "it begins as a picture does",
    "bomb": f"it has at most {MAX_PIXELS:,} pixels",
    "truncated": "it is whole",
    "undecodable": "it can be decoded",
    "too_slow": "looking at it comes to an end",
}
_NOT_BLANK_AT_ENDS = r"^[!-~]((?s:.)*[!-~])?$"  # printable ASCII first and last: nothing to strip


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a picture and a caption may be.

    Args:
        min_side: pixels of the shorter side.
        max_side: pixels of the longer side.
        min_contrast: RMS from the picture's own mean colour, of 1; less is one flat colour or hardly visible.
        max_caption: characters of one text.
    """

    min_side: int = 16
    max_side: int = 8192
    min_contrast: float = 0.01
    max_caption: int = 2000  # ten sentences of a model that describes pictures are about 1,000


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What source.json says the rows may hold: designers, SPDX licences, ISO 639-1 codes, and how many rows there are."""

    designers: Sequence[str]
    licences: Sequence[str]
    languages: Sequence[str]
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that has to hold; a null fails `given` and nothing else.

    Args:
        table: samples or texts.
        column: of that table; empty where the whole table is meant.
        kind: of rule.
        said: in words.
        reason: the code of REASONS that a failing row gets; None for the whole table.
        values: that the column may have (among), or may not (not_among).
        low: the least that it may be (between).
        high: the most; of `rows`, how many they have to be.
    """

    table: Literal["samples", "texts"]
    column: str
    kind: Kind
    said: str
    reason: str | None
    values: Sequence[object] = ()
    low: float | None = None
    high: float | None = None


def rules(declared: Declared, limits: Limits) -> list[Rule]:
    """Return all rules in order."""
    held: list[Rule] = []

    def hold(column: str, kind: Kind, reason: str | None, said: str, table: Any = "samples", **bounds: Any) -> None:
        held.append(Rule(table=table, column=column, kind=kind, reason=reason, said=said, **bounds))

    hold("", "rows", None, f"has as many rows as source.json says ({declared.samples})", high=declared.samples)
    for column in ("key", "split", "source", "licence", "shard", "offset", "size_bytes", "sha256", "texts"):
        hold(column, "given", "incomplete", f"{column} is given")
    hold("key", "unique", "duplicate_key", "key is unique")
    hold("split", "among", "split_unknown", f"split is one of {', '.join(SPLITS)}", values=SPLITS)
    designers, licences, languages = declared.designers, declared.licences, declared.languages
    hold("source", "among", "source_unknown", f"source is one of {', '.join(designers)}", values=designers)
    hold("licence", "among", "licence_unknown", f"licence is one of {', '.join(licences)}", values=licences)
    hold("found", "among", "missing_member", "the picture is in its shard", values=[True])
    hold("intact", "among", "sha_mismatch", "its bytes have the manifest's sha256", values=[True])
    for flaw, said in _FLAWS.items():
        hold("flaw", "not_among", flaw, said, values=[flaw])
    for side in ("width", "height"):
        hold(side, "between", "too_small", f"{side} is at least {limits.min_side} pixels", low=limits.min_side)
        hold(side, "between", "too_large", f"{side} is at most {limits.max_side} pixels", high=limits.max_side)
    least = limits.min_contrast
    hold("contrast", "between", "blank", f"contrast is at least {least}", low=least)
    hold("texts", "between", "no_caption", "there is a text", low=1)
    longest = f"a text has at most {limits.max_caption} characters"
    hold("characters", "between", "empty_caption", "a text has a character", "texts", low=1)
    hold("characters", "between", "caption_too_long", longest, "texts", high=limits.max_caption)
    spoken = f"its language is one of {', '.join(languages)}"
    hold("lang", "among", "caption_language", spoken, "texts", values=languages)
    hold("lang", "given", "caption_language", "its language is given", "texts")
    hold("in_script", "among", "caption_language", "it is written in its language's script", "texts", values=[True])
    return held


def tables(manifest: pa.Table, measured: pa.Table) -> dict[str, pa.Table]:
    """Return what the rules are about, samples and texts; the column `row` is the place in the manifest."""
    plain = ["key", "split", "source", "licence", "shard", "offset", "size_bytes", "sha256"]
    samples = {name: manifest[name] for name in plain}
    samples |= {name: measured[name] for name in ("found", "intact", "flaw", "width", "height", "contrast")}
    samples |= {"texts": pc.list_value_length(manifest["texts"]), "row": pa.array(np.arange(len(manifest)))}
    lists = manifest["texts"].combine_chunks()
    texts = pc.list_flatten(lists)
    text, lang = texts.field("text").fill_null(""), texts.field("lang")
    said = {
        "row": pc.list_parent_indices(lists).cast(pa.int64()), "characters": pa.array(characters(text)), "lang": lang,
        "in_script": pa.array(in_script(text, lang.fill_null(""))),
    }  # fmt: skip
    return {"samples": pa.table(samples), "texts": pa.table(said)}


def detail(rule: Rule, value: object, fault: str) -> str:
    """Return what is said of a row that fails a rule; `fault` is what measuring said of its picture."""
    if rule.column in FAULTS:
        return fault
    value = value.item() if isinstance(value, np.generic) else value
    shown = repr(value)
    if value is None or value != value:  # pandas says NaN of a number that is not there
        shown = "missing"
    elif isinstance(value, float):
        shown = f"{value:.0f}" if value.is_integer() else f"{value:.4g}"
    return f"{rule.column} is {shown}; it must hold that {rule.said}"


def characters(text: pa.Array) -> NDArray[np.int64]:
    """Return how many characters each text has between what is blank."""
    counts = np.array(pc.utf8_length(text), np.int64)
    plain = np.asarray(pc.match_substring_regex(text, _NOT_BLANK_AT_ENDS))
    for at in np.flatnonzero(~plain):
        counts[at] = len(text[int(at)].as_py().strip())
    return counts


def in_script(text: pa.Array, lang: pa.Array) -> NDArray[np.bool_]:
    """Return whether each text fits its language; only those without a plain Latin letter, which fits all, are looked at closely."""
    fits = np.array(pc.match_substring_regex(text, "[A-Za-z]"))
    for at in np.flatnonzero(~fits):
        fits[at] = fits_script(text[int(at)].as_py(), lang[int(at)].as_py())
    return fits
