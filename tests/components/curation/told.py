"""A manifest of which only the texts matter."""

from collections.abc import Sequence

import pyarrow as pa

from components.data.manifest import SCHEMA
from tests.components.curation.toy import row


def told(*texts: Sequence[str | tuple[str, str]]) -> pa.Table:
    """Return a sample a list of texts, k000 and so on; a text by itself is in Chinese."""
    pairs = [[(one, "zh") if isinstance(one, str) else one for one in own] for own in texts]
    rows = [
        row(at, texts=[{"text": text, "kind": "alt", "lang": lang} for text, lang in own])
        for at, own in enumerate(pairs)
    ]
    return pa.Table.from_pylist(rows, SCHEMA)
