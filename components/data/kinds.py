"""The kinds of data that have a table beside the manifest. Pictures with words have none: the manifest is theirs."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from components.data.beside import read_kind, rows_of, write_kind
from components.data.documents import DOCUMENTS
from components.data.regions import REGIONS
from components.data.series import SERIES
from components.data.spans import SPANS

KINDS = (DOCUMENTS, REGIONS, SPANS, SERIES)
BY_NAME = {kind.name: kind for kind in KINDS}


def read_kinds(folder: Path) -> dict[str, pa.Table]:
    """Return kind -> its table, of the kinds that a folder has. DataError as of read_kind."""
    found = {kind.name: read_kind(folder, kind) for kind in KINDS}
    return {name: table for name, table in found.items() if table is not None}


def write_rows(kinds: Mapping[str, pa.Table], manifest: pa.Table, folder: Path) -> None:
    """Write the table of every kind into a folder, of the samples of a manifest; one without rows where there are none."""
    for kind in KINDS:
        write_kind(rows_of(kinds.get(kind.name, kind.schema.empty_table()), manifest), folder, kind)
