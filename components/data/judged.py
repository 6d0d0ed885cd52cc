"""What people said of answers, read: which pictures fit a text, and which do not. `diptych data feedback` writes it of the page's thumbs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts.errors import ConfigError, DataError
from components.contracts.sealed import sha256_of

JUDGED, NEGATIVES = "judged.parquet", "negatives.parquet"
_AGAIN = "Write it again: diptych data feedback --to FOLDER."


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What somebody said of a text and a picture.

    Args:
        text: what was asked.
        key: of the picture.
        vote: `up` where it fits.
    """

    text: str
    key: str
    vote: Literal["up", "down"]


def read_judged(path: Path) -> tuple[Judged, ...]:
    """Return the rows of judged.parquet, in their order; DataError for a file that is none."""
    rows = _rows(path, {"query": pa.string(), "key": pa.string(), "right": pa.bool_()})
    return tuple(Judged(text=row["query"], key=row["key"], vote="up" if row["right"] else "down") for row in rows)


def read_negatives(path: Path, digest: str) -> Mapping[str, tuple[str, ...]]:
    """Return key -> texts that its picture does not fit, of negatives.parquet.

    Args:
        digest: the first digits of the sha256 of the file.

    Raises DataError for a file that is none, ConfigError for another one than is meant.
    """
    found: dict[str, list[str]] = {}
    for row in _rows(path, {"text": pa.string(), "key": pa.string()}):
        found.setdefault(row["key"], []).append(row["text"])
    if not (known := sha256_of(path)).startswith(digest):
        raise ConfigError(
            f"{path} has the digest {known[:12]}, but the recipe asks for {digest[:12]}: other thumbs would be learnt from. Set "
            f'training.negatives.digest to "{known[:12]}" if these are meant.'
        )
    return {key: tuple(dict.fromkeys(texts)) for key, texts in found.items()}


def _rows(path: Path, columns: Mapping[str, pa.DataType]) -> Sequence[dict[str, str]]:
    try:
        table = pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowException) as err:
        raise DataError(f"{path} cannot be read ({err}). {_AGAIN}") from err
    for name, kind in columns.items():
        if name not in table.column_names or table.schema.field(name).type != kind or table[name].null_count:
            raise DataError(f"{path} has no column {name} of {kind} that is whole. {_AGAIN}")
    return table.select(list(columns)).to_pylist()
