"""What a picture is known by wherever it lies: the digest of its pixels on white, or of its bytes where these cannot be decoded."""

import pyarrow as pa
import pyarrow.compute as pc

FINGERPRINT = "fingerprint"  # as the rows of an evaluation have it


def fingerprints(manifest: pa.Table) -> pa.ChunkedArray:
    """Return that of each row."""
    return pc.coalesce(manifest["pixel_sha256"], manifest["sha256"])
