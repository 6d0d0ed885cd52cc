"""`diptych data diff A B`: which samples were added, removed and changed between two versions of data, and in what."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError
from components.data.versions.difference import ROWS_AT_ONCE, Difference, difference
from flows.data.revisions import version_of

SHOWN = 10  # samples of each change
_SIGN = {"added": "+", "removed": "-", "changed": "~"}
_LONGEST = 60  # letters of a value
_DIGESTS = frozenset({"picture", "encoding"})  # of which nobody reads the values


def data_diff(
    before: str, after: str, here: Path, out: Path | None, as_json: bool, rows_at_once: int = ROWS_AT_ONCE
) -> None:
    """Compare and print; a row a difference goes to `out`, a .parquet file, where it is given.

    Raises ConfigError or DataError for what names no version, and for an `out` that is there.
    """
    if rows_at_once < 1:
        raise ConfigError(
            f"--rows-at-once is {rows_at_once}, but at least one row must be in memory. Leave it out for {ROWS_AT_ONCE:,}."
        )
    if out is not None:
        out = here / out
        if out.suffix != ".parquet" or out.exists():
            why = "is there already, and nothing is written over" if out.exists() else "is not called .parquet"
            raise ConfigError(f"--out {out} {why}. Name a new file, such as diff.parquet.")
    root = next((folder for folder in (here, *here.parents) if (folder / "dvc.yaml").exists()), None)
    with (
        tempfile.TemporaryDirectory(prefix="diptych-diff-") as one,
        tempfile.TemporaryDirectory(prefix="diptych-diff-") as other,
    ):
        sides = [version_of(said, here, root, Path(folder)) for said, folder in ((before, one), (after, other))]
        found = difference(sides[0], sides[1], out, rows_at_once)
    if as_json:
        names = {"before": sides[0].name, "after": sides[1].name, "out": None if out is None else str(out)}
        print(json.dumps(names | found.as_json(), ensure_ascii=False))
    else:
        print("\n".join(lines_of(found, sides[0].name, sides[1].name, out)), flush=True)


def lines_of(found: Difference, before: str, after: str, out: Path | None) -> Iterator[str]:
    """Yield a table of counts, one of the first samples of each change, and the sentence that sums it up."""
    counts = found.counts
    if not found.identical:
        yield f"  {'added':<20}{counts.added:>12,}"
        yield f"  {'removed':<20}{counts.removed:>12,}"
        yield f"  {'changed':<20}{counts.changed:>12,}"
        yield from (f"    {reason:<18}{rows:>12,}" for reason, rows in counts.reasons.most_common())
        yield f"  {'same':<20}{counts.same:>12,}"
        for change, sign in _SIGN.items():
            rows = [row for row in found.examples if row["change"] == change][:SHOWN]
            yield from (f"{sign} {row['key']}{_in_what(row)}" for row in rows)
            if (more := getattr(counts, change) - len(rows)) > 0 and rows:
                yield f"{sign} and {more:,} more"
        yield from (f"not compared: {what} ({why})" for what, why in found.unlike.items())
    moved = f"; {counts.moved:,} lie elsewhere in the shards" if counts.moved else ""
    if found.equal and not found.unlike:
        yield f"equal: {before} and {after} have the same {found.rows[0]:,} samples{moved}"
    else:
        where = f"; all are in {out}" if out is not None else ""
        yield f"{before} has {found.rows[0]:,} samples, {after} {found.rows[1]:,}{moved}{where}"


def _in_what(row: Mapping[str, Any]) -> str:
    """Return what is changed of a sample: "  split: train -> val, picture"."""
    if row["before"] is None:
        return ""
    was, is_now = json.loads(row["before"]), json.loads(row["after"])
    said = [why if why in _DIGESTS else f"{why}: {_short(was[why])} -> {_short(is_now[why])}" for why in row["reasons"]]
    return f"  {', '.join(said)}"


def _short(value: Any) -> str:
    """Return a value as a person reads it: of texts their words, of labels those there are."""
    if isinstance(value, list):
        value = "; ".join(one["text"] or "" if isinstance(one, dict) and "text" in one else str(one) for one in value)
    elif isinstance(value, dict):
        value = ", ".join(f"{name} {one}" for name, one in value.items() if one is not None)
    text = "nothing" if value in (None, "") else str(value)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
