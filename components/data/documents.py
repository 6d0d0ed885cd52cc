"""documents.parquet: where pictures stand in their documents, for data that has such; beside the manifest, a row a picture."""

from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts.errors import DataError
from components.contracts.sample import Sample
from components.data.aside import RowFile

NAME = "documents.parquet"
SCHEMA = pa.schema(
    [
        pa.field("key", pa.string()),  # of the sample
        pa.field("document", pa.string()),
        pa.field("place", pa.int32()),  # of the picture, from 0
        pa.field("text_place", pa.int32()),  # of its text among the document's; null where it has none
    ]
)


class DocumentsWriter:
    """Writes the file when the first picture of a document comes, and none where there is none; see RowFile."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._file: RowFile | None = None
        self._last = ""
        self.counted = {"documents": 0, "pictures": 0}

    def __enter__(self) -> Self:
        return self

    def add(self, sample: Sample) -> None:
        """Take a sample; one of no document leaves no row."""
        if sample.page is None:
            return
        if self._file is None:
            self._file = RowFile(self._path, SCHEMA).__enter__()
        page = sample.page
        row = {"key": sample.key, "document": page.document, "place": page.place, "text_place": page.text_place}
        self._file.write_row(row)
        self.counted["documents"] += page.document != self._last  # those of one come one after the other
        self.counted["pictures"] += 1
        self._last = page.document

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.__exit__(kind, err, trace)


def read_documents(folder: Path) -> pa.Table | None:
    """Return the rows; None where the data has no documents. DataError when the file is damaged, or none of this version."""
    path = folder / NAME
    if not path.exists():
        return None
    try:
        table = pq.read_table(path, partitioning=None)
    except (pa.ArrowException, OSError) as err:
        raise DataError(f"{path} cannot be read as Parquet ({err}). Ingest again.") from err
    if table.schema != SCHEMA:
        raise DataError(f"{path} has the columns {table.schema.names}; {SCHEMA.names} are wanted. Ingest again.")
    return table
