"""The Great Expectations suite: what every row of a manifest, every text and every measured picture has to be.

Each expectation carries the reason code that a row gets for failing it. Two tables are checked: one row a sample,
and one row a text.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.contracts.errors import DataError
from components.contracts.sample import SPLITS
from components.data.language import fits_script
from components.data.transforms.preprocess import MAX_PIXELS
from components.validation.findings import Finding

_FLAWS = {  # code of a picture that cannot be decoded -> what does not hold of it
    "zero_bytes": "the picture has bytes",
    "not_an_image": "it begins as a picture does",
    "bomb": f"it has at most {MAX_PIXELS:,} pixels",
    "truncated": "it is whole",
    "undecodable": "it can be decoded",
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
    max_caption: int = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What source.json says the rows may hold: designers, SPDX licences, ISO 639-1 codes, and how many rows there are."""

    designers: Sequence[str]
    licences: Sequence[str]
    languages: Sequence[str]
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the suite and what came of it.

    Args:
        rule: in words.
        reason: the code of REASONS that a failing row gets; None for a check on the whole table.
        checked: rows or texts looked at.
        failed: how many of them were not as they have to be.
    """

    rule: str
    reason: str | None
    checked: int
    failed: int


def run_suite(
    manifest: pa.Table, measured: pa.Table, declared: Declared, limits: Limits
) -> tuple[list[Line], list[Finding]]:
    """Return every check in order, and a finding for every row that failed one.

    Raises DataError when a check could not be run, or the table as a whole is not the one that source.json speaks of.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # read at import, which takes 2.5 s and so waits until here
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    frames = {"samples": _samples(manifest, measured), "texts": _texts(manifest)}
    source = context.data_sources.add_pandas("manifest")
    checks: list[Line] = []
    findings: list[Finding] = []
    for name, expectations in _expectations(declared, limits).items():
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
        suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))
        definition = gx.ValidationDefinition(name=name, data=batch, suite=suite)
        outcome = context.validation_definitions.add(definition).run(
            batch_parameters={"dataframe": frames[name]},
            result_format={
                "result_format": "COMPLETE",
                "unexpected_index_column_names": ["row"],
                "return_unexpected_index_query": False,
            },
        )
        results: list[Any] = list(outcome.results)
        for result in sorted(results, key=lambda result: result.expectation_config.meta["place"]):
            check, found = _read(result, measured, len(frames[name]))
            checks.append(check)
            findings.extend(found)
    return checks, findings


def _expectations(declared: Declared, limits: Limits) -> dict[str, list[Any]]:
    from great_expectations import expectations

    gxe: Any = expectations  # it lists its classes in no way that mypy can read

    lists: dict[str, list[Any]] = {"samples": [], "texts": []}

    def expect(table: str, expectation: type, reason: str | None, rule: str, **arguments: object) -> None:
        meta = {"reason": reason, "rule": rule, "place": len(lists[table])}
        lists[table].append(expectation(**arguments, meta=meta))

    def member(table: str, column: str, allowed: Sequence[object], reason: str, rule: str) -> None:
        expect(table, gxe.ExpectColumnValuesToBeInSet, reason, rule, column=column, value_set=list(allowed))

    def between(table: str, column: str, low: float | None, high: float | None, reason: str, rule: str) -> None:
        bounds = {"min_value": low, "max_value": high}
        expect(table, gxe.ExpectColumnValuesToBeBetween, reason, rule, column=column, **bounds)

    said = f"has as many rows as source.json says ({declared.samples})"
    expect("samples", gxe.ExpectTableRowCountToEqual, None, said, value=declared.samples)
    for column in ("key", "split", "source", "licence", "shard", "offset", "size_bytes", "sha256", "texts"):
        expect("samples", gxe.ExpectColumnValuesToNotBeNull, "incomplete", f"{column} is given", column=column)
    expect("samples", gxe.ExpectColumnValuesToBeUnique, "duplicate_key", "key is unique", column="key")
    member("samples", "split", SPLITS, "split_unknown", f"split is one of {', '.join(SPLITS)}")
    designers = f"source is one of {', '.join(declared.designers)}"
    member("samples", "source", declared.designers, "source_unknown", designers)
    licences = f"licence is one of {', '.join(declared.licences)}"
    member("samples", "licence", declared.licences, "licence_unknown", licences)
    member("samples", "found", [True], "missing_member", "the picture is in its shard")
    member("samples", "intact", [True], "sha_mismatch", "its bytes have the manifest's sha256")
    for flaw, rule in _FLAWS.items():
        expect("samples", gxe.ExpectColumnValuesToNotBeInSet, flaw, rule, column="flaw", value_set=[flaw])
    for side in ("width", "height"):
        least, most = f"{side} is at least {limits.min_side} pixels", f"{side} is at most {limits.max_side} pixels"
        between("samples", side, limits.min_side, None, "too_small", least)
        between("samples", side, None, limits.max_side, "too_large", most)
    between("samples", "contrast", limits.min_contrast, None, "blank", f"contrast is at least {limits.min_contrast}")
    between("samples", "texts", 1, None, "no_caption", "there is a text")
    between("texts", "characters", 1, None, "empty_caption", "a text has a character")
    longest = f"a text has at most {limits.max_caption} characters"
    between("texts", "characters", None, limits.max_caption, "caption_too_long", longest)
    spoken = f"its language is one of {', '.join(declared.languages)}"
    member("texts", "lang", declared.languages, "caption_language", spoken)
    expect("texts", gxe.ExpectColumnValuesToNotBeNull, "caption_language", "its language is given", column="lang")
    member("texts", "in_script", [True], "caption_language", "it is written in its language's script")
    return lists


def _samples(manifest: pa.Table, measured: pa.Table) -> pd.DataFrame:
    plain = ["key", "split", "source", "licence", "shard", "offset", "size_bytes", "sha256"]
    frame = manifest.select(plain).to_pandas()
    for name in ("found", "intact", "flaw", "width", "height", "contrast"):
        frame[name] = measured[name].to_pandas()
    frame["texts"] = pc.list_value_length(manifest["texts"]).to_pandas()
    frame["row"] = np.arange(len(frame))
    return frame


def _texts(manifest: pa.Table) -> pd.DataFrame:
    lists = manifest["texts"].combine_chunks()
    texts = pc.list_flatten(lists)
    text, lang = texts.field("text").fill_null(""), texts.field("lang")
    return pd.DataFrame(
        {
            "row": np.asarray(pc.list_parent_indices(lists), np.int64),
            "characters": _characters(text),
            "lang": lang.to_pandas(),
            "in_script": _in_script(text, lang.fill_null("")),
        }
    )


def _characters(text: pa.Array) -> NDArray[np.int64]:
    """Return how many characters each text has between what is blank."""
    counts = np.array(pc.utf8_length(text), np.int64)
    plain = np.asarray(pc.match_substring_regex(text, _NOT_BLANK_AT_ENDS))
    for at in np.flatnonzero(~plain):
        counts[at] = len(text[int(at)].as_py().strip())
    return counts


def _in_script(text: pa.Array, lang: pa.Array) -> NDArray[np.bool_]:
    """Return whether each text fits its language; only those without a plain Latin letter, which fits all, are looked at closely."""
    fits = np.array(pc.match_substring_regex(text, "[A-Za-z]"))
    for at in np.flatnonzero(~fits):
        fits[at] = fits_script(text[int(at)].as_py(), lang[int(at)].as_py())
    return fits


def _read(result: Any, measured: pa.Table, total: int) -> tuple[Line, list[Finding]]:
    """Return one expectation's line and findings; DataError when it could not be run, or speaks of the whole table."""
    meta, outcome = result.expectation_config.meta, result.result
    if result.exception_info.get("raised_exception", False) or ("unexpected_list" not in outcome and meta["reason"]):
        raise DataError(
            f"the check that {meta['rule']} could not be run: {result.exception_info}. "
            "Nothing is passed on unchecked; this is a fault in the suite, please report it."
        )
    if meta["reason"] is None:
        if not result.success:
            raise DataError(
                f"the manifest has {outcome['observed_value']} rows, but it {meta['rule']}: "
                "rows were lost or added after ingest. Ingest again."
            )
        return Line(rule=meta["rule"], reason=None, checked=total, failed=0), []
    column = result.expectation_config.kwargs["column"]
    found = []
    for bad in outcome.get("unexpected_index_list") or []:
        row = int(bad["row"])
        detail = (
            measured["fault"][row].as_py()
            if column in ("found", "intact", "flaw")
            else _detail(column, bad[column], meta["rule"])
        )
        found.append(Finding(row=row, reason=meta["reason"], detail=detail))
    return Line(rule=meta["rule"], reason=meta["reason"], checked=total, failed=outcome["unexpected_count"]), found


def _detail(column: str, value: object, rule: str) -> str:
    shown = f"{value:.4g}" if isinstance(value, float) else repr(value)
    return f"{column} is {shown}; it must hold that {rule}"
