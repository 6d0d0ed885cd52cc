"""The rules of rules.py by columns of Arrow: the same lines and findings as the Great Expectations suite, at once.

Great Expectations and pandas take some seconds to import, which a look at a few pictures need not wait for.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.validation.findings import Finding
from components.validation.lines import Line, row_count_is_wrong
from components.validation.rules import Declared, Limits, Rule, detail, rules, tables


def run_rules(
    manifest: pa.Table, measured: pa.Table, declared: Declared, limits: Limits
) -> tuple[list[Line], list[Finding]]:
    """Return every check in order, and a finding for every row that failed one, as run_suite does; DataError as there."""
    lines, findings = [], []
    about = tables(manifest, measured)
    held = rules(declared, limits)
    for rule in sorted(held, key=lambda rule: rule.table):  # samples first; the order is kept otherwise
        table = about[rule.table]
        if rule.reason is None:
            if len(table) != rule.high:
                raise row_count_is_wrong(len(table), rule.said)
            lines.append(Line(rule=rule.said, reason=None, checked=len(table), failed=0))
            continue
        column = table[rule.column].combine_chunks()
        failed = np.flatnonzero(failing(rule, column))
        lines.append(Line(rule=rule.said, reason=rule.reason, checked=len(table), failed=len(failed)))
        for at in failed.tolist():
            row, value = table["row"][at].as_py(), column[at].as_py()
            said = detail(rule, value, measured["fault"][row].as_py())
            findings.append(Finding(row=row, reason=rule.reason, detail=said))
    return lines, findings


def failing(rule: Rule, column: pa.Array) -> NDArray[np.bool_]:
    """Return which values fail the rule; a null fails `given` alone."""
    if rule.kind == "given":
        return np.asarray(column.is_null())
    if rule.kind == "unique":
        return _repeated(column)
    fails: Any
    if rule.kind == "between":
        bounds = [] if rule.low is None else [pc.less(column, rule.low)]
        bounds += [] if rule.high is None else [pc.greater(column, rule.high)]
        fails = bounds[0] if len(bounds) == 1 else pc.or_(*bounds)
    else:
        fails = pc.is_in(column, pa.array(list(rule.values), column.type))
        fails = pc.and_(pc.invert(fails) if rule.kind == "among" else fails, column.is_valid())
    return np.asarray(pc.fill_null(fails, False))


def _repeated(column: pa.Array) -> NDArray[np.bool_]:
    codes = np.asarray(column.dictionary_encode().indices.fill_null(-1), np.int64)
    counts = np.bincount(codes[codes >= 0], minlength=1)
    return (codes >= 0) & (counts[codes] > 1)
