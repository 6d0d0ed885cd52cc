"""`diptych data feedback`: the thumbs of people who searched, as rows to measure with and as negatives to learn from."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts.errors import DataError
from components.contracts.sealed import sha256_of
from components.data.judged import JUDGED as JUDGED_FILE
from components.data.judged import NEGATIVES as NEGATIVES_FILE
from components.recipes.sets import PLACE
from components.serving.gateway.feedback import feedback_file

JUDGED = pa.schema(
    [("query", pa.string()), ("key", pa.string()), ("right", pa.bool_()), ("version", pa.string()), ("space", pa.string()), ("by", pa.string()), ("at", pa.string())]
)  # fmt: skip
NEGATIVES = pa.schema([("text", pa.string()), ("key", pa.string())])


def data_feedback(root: Path, out: Path) -> str:
    """Write `judged.parquet`, a row for each text and picture that somebody judged, and `negatives.parquet`, of those that do not fit.

    Return what is in them, and what makes a set to measure on and negatives to learn from of them.

    Of several thumbs of one person for the same text and picture, the last counts. A pair of which people differ is in `judged` as often
    as it was judged, and no negative.

    Args:
        root: of the workspace.
        out: a new folder; DataError where it is there, where there are no thumbs, and for a line that is none.
    """
    last = {(row["by"], row["query"], row["key"]): row for row in _lines(feedback_file(root))}
    if not last:
        raise DataError("nobody has given a thumb yet. They are given on the page: diptych serve says where it is.")
    if out.exists():
        raise DataError(f"{out} is there already. Give a new folder.")
    judged = [{**row, "right": row["vote"] == "up"} for row in last.values()]
    liked = {(row["query"], row["key"]) for row in judged if row["right"]}
    disliked = sorted({(row["query"], row["key"]) for row in judged if not row["right"]} - liked)
    out.mkdir(parents=True)
    rows = [{name: row.get(name) for name in JUDGED.names} for row in judged]
    pq.write_table(pa.Table.from_pylist(rows, JUDGED), out / JUDGED_FILE)
    pq.write_table(
        pa.Table.from_pylist([{"text": text, "key": key} for text, key in disliked], NEGATIVES),
        out / NEGATIVES_FILE,
    )
    fits = sum(row["right"] for row in judged)
    return "\n".join(
        [
            f"{out} has {len(judged):,} judged pairs, {fits:,} of which fit, and {len(disliked):,} negatives.",
            *_use(root, out),
        ]
    )


def _use(root: Path, out: Path) -> Iterator[str]:
    """Yield the lines of params.yaml that ask for them."""
    if not out.resolve().is_relative_to(root.resolve() / PLACE):
        yield f"Below {PLACE} a run could read them: diptych data feedback --to {PLACE}/thumbs"
        return
    said = out.resolve().relative_to(root.resolve())
    yield "Thumbs of held-out pictures measure, those of pictures that are learnt from teach. In params.yaml, under overrides:"
    yield f"  evaluation: {{sets: {{{said.name}: {{path: {said}}}}}}}"
    yield f'  training: {{negatives: {{path: {said / NEGATIVES_FILE}, digest: "{sha256_of(out / NEGATIVES_FILE)[:12]}"}}}}'


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    for number, line in enumerate(
        path.read_text(encoding="utf-8").rstrip("\n").split("\n"), 1
    ):  # other ends of lines may lie within one
        if not line:
            continue
        try:
            row = json.loads(line)
            yield {
                **row,
                "vote": {"up": "up", "down": "down"}[row["vote"]],
                "query": str(row["query"]),
                "key": str(row["key"]),
            }
        except (ValueError, KeyError, TypeError) as err:
            raise DataError(
                f"line {number} of {path} is no thumb ({type(err).__name__}). Take it out, and try again."
            ) from err
