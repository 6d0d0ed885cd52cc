"""The suite that a recipe's needs make: of every sample, and of every text, whether the recipe can learn from it."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.needs import Needs
from components.data.beside import rows_of
from components.validation.findings import Finding
from components.validation.held import Held, run_held
from components.validation.lines import Line

WITHOUT = {"documents": "no_document", "regions": "too_few_regions", "spans": "no_span"}
SOURCES = {"documents": "interleaved_docs", "regions": "coco", "spans": "video_spans"}  # such as bring them


def refusal(recipe: str, needs: Needs, kinds: Mapping[str, pa.Table]) -> str | None:
    """Return why a recipe cannot learn from data at all, for a person; None where a sample has each kind that it needs."""
    for kind in needs.kinds:
        if kind not in kinds or not len(kinds[kind]):
            return (
                f"the recipe {recipe} needs {kind}, and this data has none, so nothing is trained. Choose a source that brings "
                f"them, such as {SOURCES[kind]} (docs/own-data.md), or a recipe that does without."
            )
    return None


def needs_report(asked: Mapping[str, Needs], manifest: pa.Table, kinds: Mapping[str, pa.Table]) -> dict[str, Any]:
    """Return recipe -> how many samples have what it needs, of how many, what the others lack, and why it is refused.

    Args:
        asked: recipe -> what it needs, in numbers.
        manifest, kinds: as of run_needs.
    """
    found = {}
    for recipe, needs in asked.items():
        its = {name: rows_of(table, manifest) for name, table in kinds.items()}
        why = refusal(recipe, needs, its)
        _, failed = ([], {}) if why else run_needs(needs, manifest, its)
        lacking = dict(sorted(Counter(finding.reason for finding in failed.values()).items()))
        have = 0 if why else len(manifest) - len(failed)
        found[recipe] = {"have": have, "of": len(manifest), "lacking": lacking, "refusal": why}
    return found


def run_needs(needs: Needs, manifest: pa.Table, kinds: Mapping[str, pa.Table]) -> tuple[list[Line], dict[int, Finding]]:
    """Return the checks in order, and row of the manifest -> the first that it fails.

    Args:
        needs: in numbers, see Needs.at.
        manifest: rows that passed validation.
        kinds: kind -> rows of its table, at least of the kinds that are needed.
    """
    lines, failed = list[Line](), dict[int, Finding]()
    for name, held, table in (
        ("samples", samples_suite(needs), samples_table(needs, manifest, kinds)),
        ("texts", texts_suite(needs), texts_table(manifest)),
    ):
        if held.expectations:
            more, found = run_held(name, held, table)
            lines += more
            for one in found:
                failed.setdefault(one.row, one)
    return lines, failed


def samples_suite(needs: Needs) -> Held:
    """Return what is expected of samples_table's rows."""
    from great_expectations import expectations

    gxe: Any = expectations  # it lists its classes in no way that mypy can read
    held = Held()
    for kind in needs.kinds:
        least = needs.regions if kind == "regions" else 1
        said = f"a sample has {least} of the {kind} or more"
        held.expect(gxe.ExpectColumnValuesToBeBetween, WITHOUT[kind], said, column=kind, min_value=least)
    if needs.seconds is not None:
        low, high = needs.seconds
        said = f"a span lasts from {low:g} to {high:g} seconds"
        bounds = {"min_value": low, "max_value": high}
        held.expect(gxe.ExpectColumnValuesToBeBetween, "span_length", said, column="seconds", **bounds)
    if needs.min_side is not None:
        said = f"the shorter side of a picture has {needs.min_side} pixels or more"
        held.expect(gxe.ExpectColumnValuesToBeBetween, "too_few_pixels", said, column="side", min_value=needs.min_side)
    return held


def texts_suite(needs: Needs) -> Held:
    """Return what is expected of texts_table's rows."""
    from great_expectations import expectations

    gxe: Any = expectations
    held = Held()
    if needs.languages:
        said = f"a text is in one of {', '.join(needs.languages)}"
        its = list(needs.languages)
        held.expect(gxe.ExpectColumnValuesToBeInSet, "other_language", said, column="lang", value_set=its)
    if needs.max_words is not None:
        said = f"a text has {needs.max_words} words or fewer"
        held.expect(
            gxe.ExpectColumnValuesToBeBetween, "too_many_words", said, column="words", max_value=needs.max_words
        )
    return held


def samples_table(needs: Needs, manifest: pa.Table, kinds: Mapping[str, pa.Table]) -> pa.Table:
    """Return row, side, how many rows each needed kind has of a sample, and seconds where spans are needed."""
    row = np.arange(len(manifest))
    columns = {"row": pa.array(row), "side": pc.min_element_wise(manifest["width"], manifest["height"])}
    for kind in needs.kinds:
        of = pc.index_in(kinds[kind]["key"], manifest["key"]).drop_null()
        columns[kind] = pa.array(np.bincount(np.asarray(of, np.int64), minlength=len(manifest)))
    if "spans" in needs.kinds:
        spans = kinds["spans"]
        its = pc.index_in(manifest["key"], spans["key"])
        columns["seconds"] = pc.subtract(spans["t1_s"], spans["t0_s"]).take(its)
    return pa.table(columns)


def texts_table(manifest: pa.Table) -> pa.Table:
    """Return row, lang and words of every text; words stand between white space."""
    lists = manifest["texts"].combine_chunks()
    texts = pc.list_flatten(lists)
    words = pc.list_value_length(pc.utf8_split_whitespace(pc.utf8_trim_whitespace(texts.field("text"))))
    return pa.table({"row": pc.list_parent_indices(lists), "lang": texts.field("lang"), "words": words})
