"""Keep, or leave out, the samples that a file names: what a person chose by hand, or `diptych data tags` made of their tags."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.contracts.curation import CurationOp, Report
from components.contracts.errors import ConfigError, DataError
from components.contracts.features import Features
from components.contracts.sealed import sha256_of
from components.curation.leaving_out import leave_out
from components.data.sources.rows import column_names, is_table, read_rows, texts_of
from components.data.versions.keys import read_keys, split_known, unknown_keys

KEY, SPLIT = "key", "split"


class Listed(CurationOp):
    """Goes by keys alone; where the file is a manifest, by those of its rows that are of the splits that come in.

    Args:
        file: a table (.csv, .tsv, .jsonl, .parquet) with a column `key`, or a text file with a key a line; relative to the workspace.
        digest: the first digits, 12 or more, of the file's sha256, as `sha256sum FILE` and `diptych data tags` print it. DVC watches
            these numbers and not the file.
        keep: whether the samples named are those that stay; else they are those that go.
        allow_unknown: whether keys of no sample are counted and no more.
    """

    def __init__(self, file: str, digest: str, keep: bool = True, allow_unknown: bool = False) -> None:
        if not re.fullmatch(r"[0-9a-f]{12,64}", digest):
            raise ConfigError(
                f"digest is {digest!r}, but the keys in {file} are known by theirs: with others there, another selection would look the "
                f"same. Give the first 12 digits of `sha256sum {file}`, in quotes."
            )
        self.file, self.digest, self.keep, self.allow_unknown = file, digest, keep, allow_unknown

    def apply(self, table: pa.Table, features: Features, seed: int) -> tuple[pa.Table, Report]:
        """Return the rows that stay. ConfigError for a file that is no such list, DataError for another one and for unknown keys."""
        known, unknown = split_known(self._keys(table), table)
        if unknown and not self.allow_unknown:
            raise unknown_keys(
                unknown, table, "what comes into Listed, the training split after the steps before it,",
                f"Take these keys out of {self.file}, put Listed before the step that left them out, or say allow_unknown: true.",
            )  # fmt: skip
        named = np.asarray(pc.is_in(table[KEY], value_set=pa.array(known, pa.string())), bool)
        goes = np.flatnonzero(~named if self.keep else named)
        stats = {"listed": len(known), "unknown": len(unknown)}
        return leave_out(self, table, {"not listed" if self.keep else "listed": goes}, stats)

    def _keys(self, table: pa.Table) -> list[str]:
        """Return the keys of the file, as the digest promises it."""
        path = Path(self.file)
        try:
            found = sha256_of(path)
        except OSError as err:
            raise ConfigError(
                f"file is {self.file!r}, which cannot be read ({err.strerror or err}). Paths start at the workspace."
            ) from err
        if not found.startswith(self.digest):
            raise DataError(
                f"{self.file} has the digest {found[:12]}, and the recipe asks for {self.digest[:12]}: it lists other keys than were "
                f'meant. Say digest: "{found[:12]}" if these are.'
            )
        if not is_table(path):
            return read_keys(path)
        if KEY not in (names := column_names(path)):
            raise ConfigError(
                f"{self.file} has no column {KEY!r}, only {', '.join(names) or 'none'}. Call the one with the samples' keys so."
            )
        keys, splits = _columns(path, [KEY, *([SPLIT] if SPLIT in names else [])])
        here = set(table[SPLIT].unique().to_pylist())
        return [key for key, split in zip(keys, splits, strict=True) if key and (split is None or split in here)]


def _columns(path: Path, names: list[str]) -> tuple[list[str | None], list[str | None]]:
    """Return the keys, and of each the split, None where none is said."""
    if path.suffix.lower() == ".parquet":
        held = pq.read_table(path, columns=names).to_pydict()
        columns = [[None if value is None else str(value) for value in held[name]] for name in names]
    else:
        rows = [row for _, row in read_rows(path)]
        columns = [[next(iter(texts_of(row.get(name))), None) for row in rows] for name in names]
    return columns[0], columns[1] if len(columns) > 1 else [None] * len(columns[0])
