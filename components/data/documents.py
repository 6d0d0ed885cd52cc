"""documents.parquet: where pictures stand in their documents, for data that has such; beside the manifest, a row a picture."""

from typing import Any

import pyarrow as pa

from components.contracts.sample import Sample
from components.data.beside import Kind

SCHEMA = pa.schema(
    [
        pa.field("key", pa.string()),  # of the sample
        pa.field("document", pa.string()),
        pa.field("place", pa.int32()),  # of the picture, from 0
        pa.field("text_place", pa.int32()),  # of its text among the document's; null where it has none
    ]
)


def _rows(sample: Sample) -> list[dict[str, Any]]:
    page = sample.page
    if page is None:
        return []
    return [{"key": sample.key, "document": page.document, "place": page.place, "text_place": page.text_place}]


DOCUMENTS = Kind(name="documents", schema=SCHEMA, rows=_rows, whole="document", counted=("documents", "pictures"))
