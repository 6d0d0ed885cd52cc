"""The steps of a recipe, one after the other, each held to what it promises."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.curation import CurationOp, Report, RowOp
from components.contracts.errors import ConfigError, DataError
from components.contracts.features import Feature, Features
from components.contracts.progress import Progress
from components.data.manifest import SCHEMA

TEXT = ".text"  # of such features the text is the key


class Maker(Protocol):
    """What makes features when a step asks for them."""

    def make(self, name: str, rows: pa.Table, texts: pa.Array) -> Feature:
        """Return features of these rows, or, of a `.text` feature, of these texts; ConfigError for a name it does not know."""

    def find(self, op: RowOp, rows: pa.Table, seed: int) -> pa.Table:
        """Return what a step finds of rows by looking at each."""


def curated(
    ops: Sequence[CurationOp], table: pa.Table, maker: Maker, seed: int, progress: Progress
) -> tuple[pa.Table, list[Report]]:
    """Return the rows of a manifest that are left, with what was added to them, and a report of each step.

    Raises ConfigError, with the number of the step, for one that lacks a column, DataError when nothing is left.
    """
    reports, features = [], Features()
    for at, op in enumerate(ops, 1):
        progress(f"curate: {op.name}", at - 1, len(ops))
        _check_columns(at, op, table)
        for name in op.features:
            features = _made(features, op, name, table, maker)
        if isinstance(op, RowOp):
            after, report = op.finish(table, maker.find(op, table, seed), features)
        else:
            after, report = op.apply(table, features, seed)
        _check(op, table, after, report)
        if not len(after):
            reasons = ", ".join(f"{reason} ({count:,})" for reason, count in report.dropped.items())
            raise DataError(
                f"step {at} of curation, {op.name}, left none of {len(table):,} samples: {reasons}. Ask for less in curation.ops."
            )
        table = after
        reports.append(report)
    progress("curate", len(ops), len(ops))
    return table, reports


def _check_columns(at: int, op: CurationOp, table: pa.Table) -> None:
    for name in op.needs:
        if name not in table.column_names:
            near = get_close_matches(name, table.column_names, n=1, cutoff=0)[0]
            raise ConfigError(
                f"step {at} of curation, {op.name}, needs the column {name!r}, which no step before it adds; the nearest is {near}. "
                "Put the step that adds it before."
            )


def _made(features: Features, op: CurationOp, name: str, table: pa.Table, maker: Maker) -> Features:
    keys = table["key"].combine_chunks()
    if name.endswith(TEXT):
        said = pc.struct_field(pc.list_flatten(table["texts"].combine_chunks()), "text")
        keys = pa.array(op.prompts, pa.string()) if op.prompts else said
    lacking = features.lacking(name, keys)
    if not len(lacking):
        return features
    rows = table if name.endswith(TEXT) else table.filter(pc.is_in(table["key"], lacking))
    return features.plus(maker.make(name, rows, lacking))


def _check(op: CurationOp, before: pa.Table, after: pa.Table, report: Report) -> None:
    """Raise DataError where a step did not do as it reports, or left what is no manifest any more."""
    if (report.rows_in, report.rows_out) != (len(before), len(after)):
        raise DataError(
            f"{op.name} reports {report.rows_in:,} rows in and {report.rows_out:,} out, but took {len(before):,} and gave "
            f"{len(after):,}. Mend the step."
        )
    if lost := [name for name in (*SCHEMA.names, *op.adds) if name not in after.column_names]:
        raise DataError(f"{op.name} gave rows without {', '.join(lost)}. Mend the step.")
    keys = after["key"]
    if len(keys) != pc.count_distinct(keys).as_py():
        raise DataError(
            f"{op.name} gave a key to several rows, so none of them can be told from the others. Mend the step."
        )
