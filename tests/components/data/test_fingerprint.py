"""A picture is known by its pixels, and what cannot be decoded by its bytes."""

import pyarrow as pa

from components.data.fingerprint import fingerprints


def test_what_cannot_be_decoded_is_known_by_its_bytes():
    manifest = pa.table({"sha256": ["file", "broken"], "pixel_sha256": ["pixels", None]})
    assert fingerprints(manifest).to_pylist() == ["pixels", "broken"]
